package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
)

// Close takes no more tasks, waits until all that were accepted are done, and returns when
// nothing of the pool is left: goroutine, connection, and the server and workers that Connect
// has started. Of what the pool has stored there remain the results of tasks whose ids were asked
// for. Then it logs the tasks that failed and whose outcome nobody asked for. The error says
// what could not be ended in order.
func (p *Pool) Close() error {
	p.beginClose()
	<-p.ending
	p.torn.Do(p.tearDown)
	<-p.done
	p.unobserved.Report(p.opts.logger(), "cluster", p.opts.Name)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

func (p *Pool) beginClose() {
	p.queue.Refuse(futures.ErrClosed)
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	if first {
		p.emit(inspect.Event{Kind: inspect.ExecutorDown, Worker: -1})
	}
	p.settle()
}

// Shutdown is Close until ctx ends. Then it cancels what is queued and what is running, gives
// running tasks a second to obey, after which they are cancelled here whatever becomes of them
// elsewhere, and returns an error that matches ctx's cause and says how much was cut short.
func (p *Pool) Shutdown(ctx context.Context) error {
	p.beginClose()
	select {
	case <-p.ending:
		return p.Close()
	case <-ctx.Done():
	}
	queued, running := p.cancelAll()
	select {
	case <-p.ending:
	case <-time.After(abandonAfter):
		p.abandon()
	}
	err := p.Close()
	if queued+running == 0 {
		return err
	}
	return fmt.Errorf("cluster.Shutdown: cancelled %d queued and %d running tasks: %w", queued, running, context.Cause(ctx))
}

// workersEnded is called when the workers that Connect has started have ended. If nobody else
// can serve the pool it is broken then: it refuses what comes, and fails what there is.
func (p *Pool) workersEnded(cause error) {
	p.opts.logger().Error("cluster: the pool's workers have ended", "pool", p.opts.Name, "err", cause)
	if p.local.server == nil {
		return
	}
	reason := fmt.Errorf("%w: %s: its workers have ended: %w", futures.ErrBroken, p.opts.Name, cause)
	p.queue.Refuse(reason)
	p.stopAll.Store(true) // nothing is sent any more
	var waiting, begun []*job
	take := func(j *job) {
		if j == nil || j.place != placeLane && j.place != placeSent && j.place != placeDelayed {
			return // it is being cancelled
		}
		if j.begun {
			begun = append(begun, j)
		} else {
			waiting = append(waiting, j)
		}
		j.place = placeOver
		p.count(j, false)
		p.wasStored(j)
		p.settleQuestion(j)
		p.leave(j)
		p.delays.Forget(j)
	}
	p.feed.Lock()
	p.drainToLanes()
	for i := range p.lanes {
		for _, f := range []*fifo{&p.lanes[i].short, &p.lanes[i].single} {
			for _, j := range f.jobs[f.head:] {
				take(j)
			}
		}
	}
	for _, c := range p.chunks {
		for _, j := range c.jobs {
			take(j)
		}
	}
	for _, j := range p.delays.All() {
		take(j)
	}
	p.feed.Unlock()
	for _, j := range waiting {
		p.refuse(j, fmt.Errorf("cluster: %s: %w", j.fn.name, reason))
	}
	for _, j := range begun {
		j.task.Conclude(fmt.Errorf("cluster: %s: %w", j.fn.name, reason))
		p.settleOutcome(j)
	}
}

// settled notes that a task is resolved.
func (p *Pool) settled() {
	if p.outstanding.Add(-1) == 0 {
		p.settle()
	}
}

// settle notes when a pool that was closed has no task left.
func (p *Pool) settle() {
	p.mu.Lock()
	over := p.closed && p.outstanding.Load() == 0
	p.mu.Unlock()
	if over {
		p.ended.Do(func() { close(p.ending) })
	}
}

// errandsWait bounds how long Close waits for the server to have removed what is not needed
// any more.
const errandsWait = 2 * time.Second

// tearDown ends what there is beside tasks (CL6).
func (p *Pool) tearDown() {
	defer close(p.done)
	close(p.keeper.quit)
	p.keeper.gone.Wait()
	p.attached.close()
	err := p.local.stopWorkers()
	if p.local.server == nil || p.opts.StoreDir != "" { // else all of it goes with the server
		p.errands.wait(errandsWait) // so that what was stored last is there to be removed
		p.clean()
	}
	p.errands.close(errandsWait)
	p.conn.Close()
	if e := p.local.stopServer(); err == nil {
		err = e
	}
	if err != nil {
		p.mu.Lock()
		p.failed = fmt.Errorf("cluster.Close: %w", err)
		p.mu.Unlock()
	}
}

// clean removes what the pool has stored and nobody will ask for.
func (p *Pool) clean() {
	names := p.conn.Names
	p.feed.Lock()
	p.sealEpochs()
	kept := p.keptAny
	p.feed.Unlock()
	if kept {
		p.purge()
		p.purge()
	} else {
		all := names.ResultFilter(p.client, "")
		p.errands.do(func(done func()) {
			p.conn.Purge(names.Results(), all, func(uint64, error) {
				// Once more, for one that was passed on before it was stored.
				p.conn.Purge(names.Results(), all, func(uint64, error) { done() })
			})
		})
	}
	// All tasks are done. A message of one that was cancelled may be there again, given back by a
	// worker.
	for _, filter := range []string{names.TasksOf(p.client), names.Keep(p.client)} {
		p.errands.do(func(done func()) {
			p.conn.Purge(names.Tasks(), filter, func(uint64, error) { done() })
		})
	}
}
