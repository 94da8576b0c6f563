package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/futures-go/futures/cluster/internal/envelope"
)

// starter starts the messages that are not to be started where they were taken: tasks of
// which the client is to know before they begin that they have, and all where the
// executor may let Submit wait.
type starter struct {
	mu    sync.Mutex
	queue []*message
	wake  chan struct{} // capacity 1
}

func (s *starter) init(w *worker) {
	s.wake = make(chan struct{}, 1)
	w.helpers.Go(w.startQueued)
}

func (s *starter) add(m *message) {
	s.mu.Lock()
	s.queue = append(s.queue, m)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *starter) take(into []*message) []*message {
	s.mu.Lock()
	defer s.mu.Unlock()
	into = append(into[:0], s.queue...)
	clear(s.queue)
	s.queue = s.queue[:0]
	return into
}

// start has a message run that was given a slot.
func (w *worker) start(m *message) {
	if m.once() {
		w.claim(m)
		return
	}
	if w.own != nil && !m.single() {
		m.run()
		return
	}
	w.starter.add(m)
}

// noticeWait bounds how long a task waits for the server to have the notice of its start.
const noticeWait = time.Second

// startQueued is the starter's goroutine. However many there are to start, the server is
// asked once whether it has the notices.
func (w *worker) startQueued() {
	var batch []*message
	for {
		select {
		case <-w.starter.wake:
		case <-w.quit:
			return
		}
		if batch = w.starter.take(batch); len(batch) == 0 {
			continue
		}
		told := false
		for _, m := range batch {
			told = m.single() && w.tellBegun(m) || told
		}
		if told {
			ctx, cancel := context.WithTimeout(context.Background(), noticeWait)
			_ = w.conn.Fence(ctx) // without a connection nobody can see the difference
			cancel()
		}
		for i, m := range batch {
			batch[i] = nil
			m.run()
		}
	}
}

// tellBegun tells the client that all of a message begins.
func (w *worker) tellBegun(m *message) bool {
	if !w.conn.NC.IsConnected() {
		return false
	}
	w.mu.Lock()
	m.told = true
	n := envelope.Notice{Worker: w.id, Begun: make([]envelope.Ref, len(m.items))}
	for i := range m.items {
		n.Begun[i] = m.refOf(i)
	}
	w.mu.Unlock()
	return w.notify(m.task.Client, &n) == nil
}

// notify sends a notice, which is not stored: if it is lost, the result tells all.
func (w *worker) notify(client string, n *envelope.Notice) error {
	return w.conn.NC.Publish(w.names.Notice(client), envelope.AppendNotice(nil, n))
}
