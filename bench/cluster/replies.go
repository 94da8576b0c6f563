package cluster

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// replies are the results that a client without futures waits for.
type replies struct {
	mu  sync.Mutex
	all map[uint64]*reply
}

// A reply is the future of such a client.
type reply struct {
	done  chan struct{} // closed when the others are set
	value []byte
	err   error
}

// add returns what will be the result of that number.
func (rs *replies) add(number uint64) *reply {
	r := &reply{done: make(chan struct{})}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.all == nil {
		rs.all = make(map[uint64]*reply)
	}
	rs.all[number] = r
	return r
}

// resolve gives the result of a number to who waits for it. The second one for the same
// number, of a task that ran twice, is dropped.
func (rs *replies) resolve(number uint64, value []byte, err error) {
	rs.mu.Lock()
	r := rs.all[number]
	delete(rs.all, number)
	rs.mu.Unlock()
	if r != nil {
		r.value, r.err = value, err
		close(r.done)
	}
}

func (r *reply) Result(ctx context.Context) ([]byte, error) {
	select {
	case <-r.done:
		return r.value, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// oldest returns the numbers that somebody waits for, the least n of them.
func (rs *replies) oldest(n int) []int64 {
	rs.mu.Lock()
	var numbers []int64
	for number := range rs.all {
		numbers = append(numbers, int64(number))
	}
	rs.mu.Unlock()
	slices.Sort(numbers)
	return numbers[:min(n, len(numbers))]
}

// fail fails all that somebody waits for: no result will come any more.
func (rs *replies) fail(err error) {
	rs.mu.Lock()
	numbers := slices.Collect(maps.Keys(rs.all))
	rs.mu.Unlock()
	for _, number := range numbers {
		rs.resolve(number, nil, err)
	}
}
