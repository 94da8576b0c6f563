package futures

import (
	"slices"
	"sync"
)

// waitGraph guards extension.waits of all tasks: who waits for whom. It is
// touched only by waits that block inside a task.
var waitGraph struct{ mu sync.Mutex }

// wait is one wait of a task's function.
type wait struct {
	on  []*Task
	all bool // it needs all of on; else any one of them
}

// blocked frames a wait inside a task. The zero value is a wait outside any task
// and does nothing.
type blocked struct {
	task    *Task
	attempt int
}

// enterWait notes that the task to which ctx belongs, if any, waits for on, and
// gives its slot back. It returns a *CycleError, and notes nothing, if that wait
// could never end (F5).
func enterWait(task *Task, on []*Task, all bool) (blocked, error) {
	if task == nil || task.resolved() {
		return blocked{}, nil
	}
	waitGraph.mu.Lock()
	cycle := cycleThrough(task, wait{on, all})
	if cycle == nil {
		x := task.extension()
		x.waits = append(x.waits, wait{on, all})
	}
	waitGraph.mu.Unlock()
	if cycle != nil {
		return blocked{}, cycle
	}
	return blocked{task, task.block()}, nil
}

// leave ends the wait that enterWait began and takes a slot again.
func (b blocked) leave(on []*Task) {
	if b.task == nil {
		return
	}
	waitGraph.mu.Lock()
	waits := b.task.extension().waits
	for i := range waits {
		if &waits[i].on[0] == &on[0] {
			b.task.extension().waits = append(waits[:i:i], waits[i+1:]...)
			break
		}
	}
	waitGraph.mu.Unlock()
	b.task.unblock(b.attempt)
}

// Blocking is for executors and other code that blocks inside the task for
// something that needs a slot to happen: it gives the task's slot back. The
// function that it returns takes one again.
func (t *Task) Blocking() (end func()) {
	attempt := t.block()
	return func() { t.unblock(attempt) }
}

// ended is extension.blocks of a task whose function has returned: what is left
// of it has no slot to give.
const ended = -1

// block gives the slot of the task back if this is the first of its goroutines
// to block. It returns the attempt that the goroutine belongs to.
func (t *Task) block() (attempt int) {
	if t.rest().host == nil {
		return 0
	}
	x := t.extension()
	x.mu.Lock()
	attempt = x.attempt
	x.mu.Unlock()
	if t.changeBlocks(attempt, +1) == 1 {
		t.rest().host.Block(t)
	}
	return attempt
}

// unblock takes a slot again if this is the last of them to go on.
func (t *Task) unblock(attempt int) {
	if t.changeBlocks(attempt, -1) == 0 {
		x := t.extension()
		x.resuming.Add(1)
		t.rest().host.Unblock(t)
		x.resuming.Add(-1)
	}
}

// changeBlocks returns how many goroutines of the attempt are blocked now, or
// ended if it is over.
func (t *Task) changeBlocks(attempt, by int) int {
	if t.rest().host == nil {
		return ended
	}
	x := t.extension()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.blocks == ended || x.attempt != attempt {
		return ended
	}
	x.blocks += by
	return x.blocks
}

// endBlocking is called when the function has returned: the worker goes on, so it
// needs the slot that a goroutine which the function left behind has given back.
func (t *Task) endBlocking() {
	x := t.extended()
	if x == nil || t.rest().host == nil {
		return
	}
	x.mu.Lock()
	blocks := x.blocks
	x.blocks = ended
	x.mu.Unlock()
	if blocks > 0 {
		t.rest().host.Unblock(t)
	}
}

// cycleThrough returns the cycle that the wait w of task would close, nil if it
// can end. The caller holds waitGraph.mu.
//
// A task can go on if it waits for nothing, or one of its waits can end; a wait
// for all can end if all that it is for can go on, a wait for any if one of them
// can. Whoever is left when nothing more follows from that is stuck. A wait made
// with a task's context counts as the task's own, whatever goroutine makes it.
func cycleThrough(task *Task, w wait) *CycleError {
	waits := map[*Task][]wait{task: append(waitsOf(task), w)}
	reachable := []*Task{task}
	for i := 0; i < len(reachable); i++ {
		for _, w := range waits[reachable[i]] {
			for _, t := range w.on {
				if _, seen := waits[t]; !seen {
					waits[t] = waitsOf(t)
					reachable = append(reachable, t)
				}
			}
		}
	}
	free := make(map[*Task]bool, len(reachable))
	canEnd := func(w wait) bool {
		isFree := func(t *Task) bool { return free[t] }
		if w.all {
			return !slices.ContainsFunc(w.on, func(t *Task) bool { return !free[t] })
		}
		return slices.ContainsFunc(w.on, isFree)
	}
	for changed := true; changed; {
		changed = false
		for _, t := range slices.Backward(reachable) { // what others wait for comes later
			if !free[t] && (len(waits[t]) == 0 || slices.ContainsFunc(waits[t], canEnd)) {
				free[t], changed = true, true
			}
		}
		if free[task] {
			return nil
		}
	}

	// Walk from one stuck task to the next. One that leads back is named in full.
	path, on := []*Task{task}, map[*Task]bool{task: true}
	var walk func(t *Task) bool
	walk = func(t *Task) bool {
		for _, w := range waits[t] {
			for _, next := range w.on {
				if next == task {
					return true
				}
				if free[next] || on[next] {
					continue
				}
				on[next] = true
				path = append(path, next)
				if walk(next) {
					return true
				}
				path = path[:len(path)-1]
			}
		}
		return false
	}
	walk(task)
	cycle := new(CycleError)
	for _, t := range path {
		cycle.Tasks = append(cycle.Tasks, t.describe())
	}
	return cycle
}

// waitsOf returns the waits of a task that is not done.
func waitsOf(t *Task) []wait {
	x := t.extended()
	if x == nil || t.resolved() {
		return nil
	}
	return slices.Clone(x.waits)
}

// describe names a task with its labels.
func (t *Task) describe() string {
	s := t.Name()
	for _, tag := range t.Labels() {
		s += " " + tag.Key + "=" + tag.Value
	}
	return s
}
