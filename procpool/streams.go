package procpool

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
)

// streams is the transport by frames: a worker has one task at a time, which is sent
// when it is idle. So nothing waits behind another task, and what has not been sent can
// be cancelled.
type streams struct {
	pool *Pool
	idle []*worker // ready and without a job, the last one goes first; guarded by Pool.feed
}

func (s *streams) files(*worker) []syscall.Conn { return nil }
func (s *streams) enlist(*worker)               {}
func (s *streams) close() error                 { return nil }
func (s *streams) waiting() int                 { return 0 }
func (s *streams) ahead() bool                  { return false }
func (s *streams) recall() []*job               { return nil }
func (s *streams) await(*futures.Task)          {}
func (s *streams) refresh(*job)                 {}

func (s *streams) idOf(j *job) uint64 { return j.id }

func (s *streams) handed() (jobs []*job) {
	p := s.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.workers {
		if w.job != nil {
			jobs = append(jobs, w.job)
		}
	}
	return jobs
}

// withdraw is too late: what is sent is started, but for the time that takes.
func (s *streams) withdraw(*job) bool { return false }

func (s *streams) holds(w *worker, j *job) bool { return w.job == j }

func (s *streams) current(w *worker) (*job, time.Time) { return w.job, w.since }

func (s *streams) welcome(w *worker, msg *welcome) error { return w.sendWelcome(msg) }

func (s *streams) ready(w *worker) {
	p := s.pool
	p.feed.Lock()
	s.idle = append(s.idle, w)
	p.feed.Unlock()
	s.hand()
}

func (s *streams) retire(w *worker) {
	p := s.pool
	p.feed.Lock()
	s.drop(w)
	p.feed.Unlock()
	go func() { _ = w.out.write(frameRetire, 0, 0) }() // its pipe may be full
}

// drop takes a worker off the idle ones. The caller holds feed.
func (s *streams) drop(w *worker) {
	if i := slices.Index(s.idle, w); i >= 0 {
		s.idle = slices.Delete(s.idle, i, i+1)
	}
}

func (s *streams) hand() {
	p := s.pool
	for {
		p.feed.Lock()
		n := len(s.idle)
		if n == 0 {
			p.feed.Unlock()
			return
		}
		j := p.next()
		if j == nil {
			p.feed.Unlock()
			return
		}
		w := s.idle[n-1]
		s.idle = s.idle[:n-1]
		j.id = p.lastID.Add(1)
		w.job, w.begun = j, false
		w.taken++
		w.since = time.Now()
		j.worker = w
		payload := j.payload // which is dropped when the job is done, and that may be soon
		j.task.Started(w.number)
		id, attempt := j.id, j.task.Attempt() // if the worker dies the job is another one's
		p.feed.Unlock()
		p.queue.Popped()
		if j.length > smallFrame/2 {
			go w.send(j, id, attempt, payload) // it fills the pipe, and the worker may be slow to empty it
			continue
		}
		_ = w.pipes.out.SetWriteDeadline(time.Now().Add(sendTime))
		w.send(j, id, attempt, payload)
		_ = w.pipes.out.SetWriteDeadline(time.Time{})
	}
}

// sendTime bounds the time that a small frame may take into the pipe of a worker that has
// read what was in it, as one does that keeps to the protocol.
const sendTime = time.Second

// send writes a TASK. If the worker is dead, its end is seen where we read.
func (w *worker) send(j *job, id uint64, attempt int, payload []byte) {
	h := taskHead{
		timeout: int64(j.task.Timeout()), deadline: j.deadline, attempt: uint32(attempt),
		contextSize: uint32(j.contextSize), nameSize: uint32(len(j.fn.name)),
	}
	var buf [256]byte
	head := append(h.append(buf[:0]), j.fn.name...)
	flags := uint8(0)
	if j.items > 0 {
		flags = taskIsBatch
	}
	if err := w.out.write(frameTask, flags, id, head, payload); errors.Is(err, os.ErrDeadlineExceeded) {
		w.kill(&doom{reason: doomProtocol, err: fmt.Errorf("%w: it does not read", errFrame)})
	}
}

func (s *streams) handle(w *worker, f frame) error {
	switch f.kind {
	case frameStarted:
		return s.started(w, f)
	case frameResult:
		return s.result(w, f)
	}
	return fmt.Errorf("%w: frame of kind %d", errFrame, f.kind)
}

func (s *streams) started(w *worker, f frame) error {
	p := s.pool
	p.feed.Lock()
	j := w.job
	if j == nil || j.id != f.id || w.begun {
		p.feed.Unlock()
		return fmt.Errorf("%w: STARTED %d", errFrame, f.id)
	}
	w.begun = true
	w.since = time.Now()
	id := j.id
	p.feed.Unlock()
	if timeout := j.task.Timeout(); timeout > 0 {
		j.mu.Lock()
		if !j.over {
			j.overtime = time.AfterFunc(timeout+p.grace(), func() { p.overdue(w, j, id, doomTimeout) })
		}
		j.mu.Unlock()
	}
	p.emitTask(inspect.TaskStarted, j.task, w, nil)
	return nil
}

func (s *streams) result(w *worker, f frame) error {
	p := s.pool
	p.feed.Lock()
	j := w.job
	if j == nil || j.id != f.id || !w.begun || resultKind(f.flags) >= resultKinds {
		p.feed.Unlock()
		return fmt.Errorf("%w: RESULT %d of kind %d", errFrame, f.id, f.flags)
	}
	w.job = nil
	j.place = placeOver
	last := p.opts.MaxTasksPerWorker > 0 && w.taken >= p.opts.MaxTasksPerWorker
	if !last && p.stateOf(w) == stateReady {
		s.idle = append(s.idle, w) // before anybody sees the task done
	}
	p.feed.Unlock()
	w.done.Add(1)
	if last {
		p.retire(w)
	}
	p.deliver(j, w, resultKind(f.flags), f.payload)
	s.hand()
	p.grow()
	return nil
}

func (s *streams) bury(w *worker) []lostJob {
	p := s.pool
	p.feed.Lock()
	defer p.feed.Unlock()
	s.drop(w)
	j := w.job
	if j == nil {
		return nil
	}
	w.job = nil
	j.place = placeOver
	return []lostJob{{job: j, begun: w.begun, progress: -1}}
}

var errNotStarted = errors.New("procpool: worker lost before it started the task")
