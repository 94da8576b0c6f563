package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

// report is what one life says of itself; nobody else writes it.
type report struct {
	AddBegun, AddDone, LargeBegun, LargeDone, LockedDone atomic.Int64
	_                                                    [24]byte
}

type populace struct {
	Stop    *ipc.Value[bool]
	Small   *ipc.Value[int64]
	Large   *ipc.Value[wide]  // changed by Update only
	Free    *ipc.Value[wide]  // stored, swapped
	Pair    *ipc.Array[int64] // equal, but while somebody has the lock
	Text    *ipc.Bytes        // of zeros
	Reports *ipc.Array[report]
	Life    int
}

var populating = futures.Define("test.populating", func(ctx context.Context, in populace) (int, error) {
	r := &in.Reports.Slice()[in.Life]
	pair, lock := in.Pair.Slice(), in.Pair.Mutex()
	for i := uint64(0); !in.Stop.Load(); i++ {
		r.AddBegun.Add(1)
		in.Small.Add(1)
		r.AddDone.Add(1)

		r.LargeBegun.Add(1)
		in.Large.Update(func(w wide) wide { return wideOf(w[0] + 1) })
		r.LargeDone.Add(1)

		in.Free.Store(wideOf(i))
		if err := in.Free.Swap(wideOf(i + 1)).check(); err != nil {
			return 0, err
		}
		if err := in.Large.Load().check(); err != nil {
			return 0, err
		}

		err := lock.With(ctx, func(died bool) error {
			if died {
				pair[1] = pair[0]
			}
			if pair[0] != pair[1] {
				return fmt.Errorf("%d and %d", pair[0], pair[1])
			}
			pair[0]++
			pair[1]++
			r.LockedDone.Add(1)
			return nil
		})
		if err != nil {
			return 0, err
		}

		if i%64 > 0 {
			continue
		}
		b, err := ipc.NewBytesBuffer(100)
		if err != nil {
			return 0, err
		}
		copy(b.Bytes(), in.Text.Slice())
		if err := b.Close(); err != nil {
			return 0, err
		}
	}
	return 0, nil
})

// TestValuesChaos: V1, V2: processes are killed at random while they add, update, store and
// take the lock. No value is torn, no add is lost or doubled but the one in flight, who finds
// the lock of a dead one is told, and the others go on. And the same without kills.
func TestValuesChaos(t *testing.T) {
	for _, n := range []int{kills(150), 0} {
		t.Run(strconv.Itoa(n)+" kills", func(t *testing.T) { valuesChaos(t, n) })
	}
}

func valuesChaos(t *testing.T, kills int) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	const workers = 3
	p := open(t, workers)
	lives := kills + 2*workers // who is killed between two is one more
	in := populace{
		Stop: newValue(t, false), Small: newValue[int64](t, 0), Large: newValue(t, wideOf(0)), Free: newValue(t, wideOf(0)),
		Pair: newArray[int64](t, 2), Text: newBytes(t, make([]byte, 100)), Reports: newArray[report](t, lives),
	}
	reports := in.Reports.Slice()
	var life, died atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for !in.Stop.Load() {
				task := in
				if task.Life = int(life.Add(1)) - 1; task.Life >= lives {
					return
				}
				_, err := populating.Submit(t.Context(), p, task).Result(t.Context())
				if isCrash(err) {
					died.Add(1)
				} else if err != nil {
					t.Error(err)
					in.Stop.Store(true)
				}
			}
		})
	}
	look := func() {
		if err := errors.Join(in.Large.Load().check(), in.Free.Load().check()); err != nil {
			t.Error(err)
		}
	}
	for died.Load() < int64(kills) && !t.Failed() {
		look()
		time.Sleep(time.Duration(random.IntN(4000)) * time.Microsecond) // for the kill to fall anywhere
		var busy []inspect.Worker
		for _, w := range p.Inspect().Workers {
			if w.State == inspect.Busy {
				busy = append(busy, w)
			}
		}
		if len(busy) > 0 {
			_ = kill(busy[random.IntN(len(busy))].PID) // it may be dead already
		}
	}
	// The survivors go on.
	from := in.Large.Load()[0]
	until(t, func() bool { look(); return in.Large.Load()[0] > from+2000 || t.Failed() })
	in.Stop.Store(true)
	wg.Wait()

	var adds, larges, locked int64
	for i := range reports {
		r := &reports[i]
		if begun, done := r.AddBegun.Load(), r.AddDone.Load(); begun-done < 0 || begun-done > 1 {
			t.Errorf("life %d began %d adds and did %d", i, begun, done)
		}
		adds, larges, locked = adds+r.AddDone.Load(), larges+r.LargeDone.Load(), locked+r.LockedDone.Load()
	}
	for _, sum := range []struct {
		name      string
		got, done int64
	}{{"Add", in.Small.Load(), adds}, {"Update", int64(in.Large.Load()[0]), larges}, {"locked", in.Pair.At(0), locked}} {
		if flying := sum.got - sum.done; flying < 0 || flying > died.Load() {
			t.Errorf("%s: the value is %d, %d were done and %d died", sum.name, sum.got, sum.done, died.Load())
		}
	}
	err := in.Pair.Mutex().LockContext(t.Context())
	if err != nil && !errors.Is(err, ipc.ErrOwnerDied) || err == nil && in.Pair.At(0) != in.Pair.At(1) {
		t.Errorf("%d and %d: %v", in.Pair.At(0), in.Pair.At(1), err)
	}
	in.Pair.Mutex().Unlock()
	t.Logf("%d adds, %d updates, %d with the lock; %d died", adds, larges, locked, died.Load())
}

var storeWide = futures.Define("test.storeWide", func(ctx context.Context, v *ipc.Value[wide]) (int, error) {
	m := v.Mutex()
	m.Lock()
	v.Store(wideOf(2))
	m.Unlock()
	return 0, nil
})

// TestValueKilledAtNamedPoints: V2: who dies at any step of a store leaves the value that was
// there or the new one, and the next one can store.
func TestValueKilledAtNamedPoints(t *testing.T) {
	if !assert.Enabled {
		t.Skip("the points are there with -tags futures_assert only, which CI has in a step of its own")
	}
	for _, point := range []struct {
		name string
		want uint64
		died bool // with the Mutex
	}{
		{"locked", 1, true},
		{"half a value written", 1, true},
		{"value written, not published", 1, true},
		{"value published, lock not freed", 2, true},
		{"unlocked, nobody woken", 2, true}, // the lock of the store comes first
	} {
		t.Run(point.name, func(t *testing.T) {
			once := filepath.Join(t.TempDir(), "once")
			mustDo(t, os.WriteFile(once, nil, 0o600))
			p, err := procpool.New(procpool.Options{
				Workers: 1, Stderr: discard, Logger: quiet,
				Env: []string{"FUTURES_DIE_AT=" + point.name, "FUTURES_DIE_ONCE=" + once},
			})
			mustDo(t, err)
			defer p.Close()
			v := newValue(t, wideOf(1))
			if _, err := storeWide.Submit(t.Context(), p, v).Result(t.Context()); !isCrash(err) {
				t.Fatalf("nobody died: %v", err)
			}
			if w := v.Load(); w != wideOf(point.want) {
				t.Errorf("the value is %x", w)
			}
			err = v.Mutex().LockContext(t.Context())
			if errors.Is(err, ipc.ErrOwnerDied) != point.died {
				t.Errorf("got %v", err)
			}
			v.Mutex().Unlock()
			v.Store(wideOf(3))
			outcomeOf(t, storeWide.Submit(t.Context(), p, v))
			if w := v.Load(); w != wideOf(2) {
				t.Errorf("afterwards it is %x", w)
			}
		})
	}
}
