package process

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// Process is a child that Start has started. There is nothing to close: watch it
// until Done, kill it or not.
type Process struct {
	leader *leader // the child as the system knows it
	limit  int64   // Spec.MemoryLimit
	stderr record

	dead chan struct{} // closed by watch once the child is reaped
	done chan struct{} // closed by watch, last of all
	exit Exit          // written by watch before done is closed, not changed after

	mu     sync.Mutex
	reaped bool  // set once, by watch; from then on leader is not used (P1)
	rss    meter // of the child's memory; closed when reaped
	sample int64 // over limit, for which the watchdog has killed it, or 0
}

// Start starts a process. The error says what could not be done; nothing is left of
// the attempt then.
func Start(spec Spec) (*Process, error) {
	if spec.MemoryLimit < 0 {
		panic("process.Start: negative MemoryLimit")
	}
	path, err := spec.path()
	if err != nil {
		return nil, fmt.Errorf("process: start this program: %w", err)
	}
	p, err := start(&spec, path)
	if err != nil {
		return nil, fmt.Errorf("process: start %s: %w", path, err)
	}
	return p, nil
}

func start(spec *Spec, path string) (*Process, error) {
	if spec.MemoryLimit > 0 && !canMeter {
		return nil, fmt.Errorf("memory limit: %w", errUnsupported)
	}
	p := &Process{limit: spec.MemoryLimit, dead: make(chan struct{}), done: make(chan struct{})}
	outputs := []*output{{sink: spec.Stderr, record: &p.stderr}}
	if spec.Stdout != nil {
		outputs = append(outputs, &output{sink: spec.Stdout})
	}
	var writers [2]*os.File // of stderr and stdout; the child has copies of them
	var err error
	for i, o := range outputs {
		if o.r, writers[i], err = newPipe(); err != nil {
			break
		}
	}
	if err == nil {
		p.leader, err = startLeader(spec, path, writers[1], writers[0])
	}
	for _, w := range writers {
		_ = w.Close() // which is nil if there is none
	}
	if err != nil {
		for _, o := range outputs {
			_ = o.r.Close()
		}
		return nil, err
	}
	if p.limit > 0 {
		dog.add(p)
	}
	go p.watch(outputs)
	return p, nil
}

// watch lives as long as the child, and reaps it (P1).
func (p *Process) watch(outputs []*output) {
	var reading sync.WaitGroup
	for _, o := range outputs {
		o.pid = p.leader.pid
		reading.Go(o.run)
	}

	ours := p.leader.await()
	p.mu.Lock()
	if ours { // not reaped by somebody else, so the group is still the child's
		p.leader.killGroup()
	}
	exit := p.leader.reap()
	p.reaped = true
	p.rss.close()
	sample := p.sample
	p.mu.Unlock()
	if p.limit > 0 {
		dog.remove(p)
	}
	close(p.dead)

	for _, o := range outputs {
		// It may be closed already, at the end of file.
		_ = o.r.SetReadDeadline(time.Now().Add(afterDeath))
	}
	reading.Wait()
	_, _, fatal := p.stderr.last()
	exit.conclude(sample, fatal)
	p.exit = exit
	close(p.done)
}

// PID returns the number of the process, which is that of its group as well. After
// Dead it may be another's.
func (p *Process) PID() int { return p.leader.pid }

// Dead is closed when the process is dead, all of its threads, so that it does not write
// to shared memory any more. The rest of its group has been sent SIGKILL, and may take a
// moment longer.
func (p *Process) Dead() <-chan struct{} { return p.dead }

// Done is closed when the process is dead and its outputs have been read: a sink is not
// called any more, and StderrTail is complete. That is at most 100 ms after Dead, and
// the time that the sinks take.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit waits for Done and returns how the process ended.
func (p *Process) Exit() Exit {
	<-p.done
	return p.exit
}

// StderrTail returns the last 4 KiB that the process has written to stderr so far.
func (p *Process) StderrTail() []byte {
	tail, _, _ := p.stderr.last()
	return tail
}

// Signal sends a signal to the process alone, or returns os.ErrProcessDone. On Windows
// there is only SIGKILL.
func (p *Process) Signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return os.ErrProcessDone
	}
	return p.leader.signal(sig)
}

// Kill ends the process and its group. It does not wait; see Dead. After the death it
// does nothing.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kill()
}

// kill is Kill for those who hold mu.
func (p *Process) kill() {
	if !p.reaped {
		p.leader.killGroup()
	}
}

// DumpAndKill makes the process, if it is a Go program, write the stacks of its
// goroutines and exit (SIGQUIT); if it has not ended after wait, the group is killed. It
// returns after Done, with up to 64 KiB of what came on stderr since. On Linux the
// signal goes to the busiest thread, because the runtime shows the goroutine that the signal
// interrupts and not always those on other threads. If any is busy, that takes 20 ms to
// find out, and on an overloaded machine up to 200 ms.
func (p *Process) DumpAndKill(wait time.Duration) []byte {
	tid := target(p.PID())
	p.stderr.startDump()
	p.mu.Lock()
	if !p.reaped {
		p.leader.quit(tid)
	}
	p.mu.Unlock()
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	select {
	case <-p.dead:
	case <-timeout.C:
		p.Kill()
	}
	<-p.done
	_, dump, _ := p.stderr.last()
	return dump
}
