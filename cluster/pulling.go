package cluster

import (
	"errors"
	"time"

	"github.com/futures-go/futures/cluster/internal/stream"
)

// source is a level of a queue, from which messages are pulled. Its fields are guarded by
// worker.mu but for those that say otherwise.
type source struct {
	queue  string // immutable
	level  int    // immutable
	puller *stream.Puller

	// asked is how many messages the server is to send when there are any. If it is more
	// than zero there are none now: that is how a worker knows that it may look at lower levels.
	// It is less while more have come than were asked for, as may be after forget.
	asked int
}

func (w *worker) newSource(queue string, level int) (*source, error) {
	s := &source{queue: queue, level: level}
	var err error
	s.puller, err = w.conn.NewPuller(stream.PullerConfig{
		Stream:   w.names.Tasks(),
		Consumer: w.names.Consumer(queue, level),
		Message:  func(from *stream.Message) { w.accepted(s, from) },
		Moved:    func() { w.extend(s) },
		Failed: func(err error) {
			if _, denied := errors.AsType[*stream.PermissionError](err); denied {
				w.fail(err)
				return
			}
			w.log.Error("cluster: tasks cannot be pulled", "worker", w.opts.Name, "queue", queue, "level", level, "err", err)
		},
	})
	return s, err
}

// orders are what is to be done once worker.mu is free.
type orders struct {
	start    []*message
	requests [2 * stream.Levels]request // of different sources; what does not fit is planned again
	count    int
	poll     *source
	most     int // messages of the poll
}

type request struct {
	source *source
	n      int
}

// plan decides what to start and what to ask for. It goes through the levels from the
// first: what is held of a level comes before lower ones, and lower ones are looked at
// only while there is nothing in those above. The caller holds w.mu.
//
// While there is a free slot each level has a request at the server, so that whatever comes
// first is here at once. So a worker may have been asked for one message in each level more
// than it has slots at the moment when the last slot is taken. Such a message is held, goes
// first when a slot is free, and back to the queue if that takes long (see watch).
func (w *worker) plan(o *orders) {
	if w.draining || w.reason != nil {
		return
	}
	for level := range w.sources {
		for len(w.held[level]) > 0 && w.slots.free() > 0 {
			m := w.held[level][0]
			w.held[level] = w.held[level][1:]
			w.begins(m, o)
		}
		if w.slots.free() <= 0 || w.polling || len(w.held[level]) > 0 || time.Now().Before(w.pauses) {
			return
		}
		sources := w.sources[level]
		for i := range sources {
			s := sources[(w.turn+i)%len(sources)]
			if s.asked <= 0 {
				w.polling = true
				o.poll, o.most = s, w.slots.free()
				w.turn++
				return
			}
			w.request(s, o)
		}
	}
}

// request asks for what a source is to send when it has something. The caller holds w.mu.
func (w *worker) request(s *source, o *orders) {
	want := 1
	if s.level == 1 && len(w.opts.Queues) == 1 {
		want = w.slots.free() + w.slots.ahead()
	}
	if n := want - s.asked; n > 0 && o.count < len(o.requests) {
		o.requests[o.count] = request{s, n}
		o.count++
		s.asked += n
	}
}

// carryOut does what was planned, without w.mu.
func (w *worker) carryOut(o *orders) {
	for _, r := range o.requests[:o.count] {
		r.source.puller.Request(r.n)
	}
	if s := o.poll; s != nil {
		s.puller.Poll(o.most, func(missing int) { w.polledOut(s, missing) })
	}
	for _, m := range o.start {
		w.start(m)
	}
}

// polledOut is told how many messages a poll has not brought.
func (w *worker) polledOut(s *source, missing int) {
	var o orders
	w.mu.Lock()
	w.polling = false
	if missing > 0 && !w.draining {
		w.request(s, &o) // there is nothing now
	}
	w.plan(&o)
	w.mu.Unlock()
	w.carryOut(&o)
}

// replan looks for something to do.
func (w *worker) replan() {
	var o orders
	w.mu.Lock()
	w.plan(&o)
	w.mu.Unlock()
	w.carryOut(&o)
}

// pause asks for nothing for a while: the executor is full with what others have given
// it.
func (w *worker) pause(d time.Duration) {
	w.mu.Lock()
	w.pauses = time.Now().Add(d)
	w.mu.Unlock()
	w.forget()
}

// forget takes back what is asked for, as far as it is not on its way.
func (w *worker) forget() {
	w.mu.Lock()
	var all []*source
	for _, sources := range w.sources {
		for _, s := range sources {
			if s.asked > 0 {
				all = append(all, s)
				s.asked = 0
			}
		}
	}
	w.mu.Unlock()
	for _, s := range all {
		s.puller.Forget()
	}
}
