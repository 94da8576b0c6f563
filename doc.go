// Package futures runs many tasks at once and tells what became of each.
//
// A task is one call of a function. [Submit] hands it to an [Executor] and
// returns a [Future] at once; [Func.Submit] does the same for a function that
// was registered with [Define] and can therefore run in another process or on
// another host. [Map] runs a function over a sequence, lazily and bounded.
// [Wait], [AsCompleted] and [Gather] wait for sets of futures, and [Promise] is
// a future that its owner resolves by hand.
//
// The names follow Python's concurrent.futures; docs/conformance.md compares
// the two behaviour by behaviour.
//
// # States
//
//	            Start                 the function returned
//	Pending ------------> Running ------------------------> Succeeded | Failed | Cancelled
//	   |  ^                  |
//	   |  +------------------+ an attempt failed and [Retry] allows another
//	   |
//	   +-- Cancel, or refused by the executor ------------> Cancelled | Failed
//
// Running means that a worker has started the task, not that it left a queue.
//
// # Guarantees
//
// F1: a future is resolved exactly once; whoever loses the race changes nothing.
//
// F2: what a future holds (value, error, order) is written before it is
// published and never changes afterwards, so reading a resolved future takes no
// lock.
//
// F3: no lock of this package is held while user code runs.
//
// F4: resolving releases those who wait first and calls the [Future.OnDone]
// callbacks then, in the order they were added, on the goroutine that resolved.
//
// F5: a wait that a task makes with its own context gives the worker's slot
// back while it lasts, and a cycle of such waits is an error instead of a
// deadlock.
//
// Lock order: the wait graph, then a task's extension, then its watchers, then a
// collector. An executor's locks come before all of them.
//
// # Two contexts
//
// The context given to Submit bounds the wait for a place in the executor's
// queue and is the parent of the task's own context. The context given to
// Result bounds only that wait: its end is a [*WaitError] and leaves the future
// untouched.
//
// # Errors
//
// Submit returns no error beside the future: a task that is refused (executor
// closed, queue full, argument that cannot travel) is a failed future, so that
// every outcome has one place. A task that panics fails with a [*PanicError].
//
// # When not to use it
//
// A handful of goroutines that share one outcome want golang.org/x/sync/errgroup
// or plain go statements; a loop over a slice whose body takes nanoseconds wants
// to stay a loop. docs/guide/choosing.md has the figures.
package futures
