package futures

import (
	"context"
	"slices"
	"sync"
)

// inbox collects the completions of a set of tasks for one reader.
type inbox struct {
	tasks []*Task // the reader's own; nil where the reader has been told
	free  []int   // the reader's own: places in tasks to use again

	mu     sync.Mutex
	fresh  []int         // indices collected and not yet taken by the reader
	signal chan struct{} // capacity 1; holds a token when something was collected

	taken []int // the reader's own: in completion order, the next one last
}

// newInbox subscribes to the tasks. Those that are done already are collected
// too, together with those that become done meanwhile, so that take puts all of
// them in order.
func newInbox(tasks []*Task) *inbox {
	in := &inbox{tasks: slices.Clone(tasks), signal: make(chan struct{}, 1)}
	var already []int
	for i, t := range tasks {
		if !t.subscribe(in, i) {
			already = append(already, i)
		}
	}
	in.mu.Lock()
	in.fresh = append(in.fresh, already...)
	in.mu.Unlock()
	return in
}

// add subscribes to one more task and returns its index.
func (in *inbox) add(t *Task) int {
	i := len(in.tasks)
	if n := len(in.free); n > 0 {
		i, in.free = in.free[n-1], in.free[:n-1]
		in.tasks[i] = t
	} else {
		in.tasks = append(in.tasks, t)
	}
	if !t.subscribe(in, i) {
		in.collect(i)
	}
	return i
}

// collect implements collector.
func (in *inbox) collect(i int) {
	in.mu.Lock()
	in.fresh = append(in.fresh, i)
	in.mu.Unlock()
	select {
	case in.signal <- struct{}{}:
	default:
	}
}

// await is next, framed as a wait for any of the tasks if it has to block inside
// a task.
func (in *inbox) await(ctx context.Context) (int, error) {
	task := CurrentTask(ctx)
	if task == nil || len(in.taken) > 0 || in.take() {
		return in.next(ctx)
	}
	on := slices.DeleteFunc(slices.Clone(in.tasks), func(t *Task) bool { return t == nil })
	frame, err := enterWait(task, on, false)
	if err != nil {
		return 0, &WaitError{Cause: err}
	}
	defer frame.leave(on)
	return in.next(ctx)
}

// next returns the index of the next task in the order of completion, or a
// *WaitError once ctx has ended and nothing more has completed.
func (in *inbox) next(ctx context.Context) (int, error) {
	for len(in.taken) == 0 && !in.take() {
		select {
		case <-in.signal:
		case <-ctx.Done():
			if !in.take() {
				return 0, &WaitError{Cause: context.Cause(ctx)}
			}
		}
	}
	last := len(in.taken) - 1
	i := in.taken[last]
	in.taken = in.taken[:last]
	in.tasks[i] = nil
	in.free = append(in.free, i)
	return i, nil
}

// take moves what was collected to the reader, in completion order.
func (in *inbox) take() bool {
	in.mu.Lock()
	in.taken, in.fresh = in.fresh, in.taken[:0]
	in.mu.Unlock()
	for _, i := range in.taken {
		in.tasks[i].settle()
	}
	slices.SortFunc(in.taken, func(a, b int) int {
		if in.tasks[a].order > in.tasks[b].order {
			return -1
		}
		return 1
	})
	return len(in.taken) > 0
}

// close unsubscribes from the tasks that are not done.
func (in *inbox) close() {
	for _, t := range in.tasks {
		if t != nil && !t.resolved() {
			t.unsubscribe(in)
		}
	}
}
