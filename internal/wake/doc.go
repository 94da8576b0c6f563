// Package wake is waiting for another process: how one that has nothing to do
// notices quickly that a word in shared memory has changed, sleeps when that
// takes long, and never misses the change.
//
// A waiter first polls ([Spin]), because a peer that runs on another CPU answers in
// a fraction of a microsecond and waking a sleeper costs twenty times that. Then it
// announces in shared memory that it is about to sleep, looks once more, and
// sleeps: a thread on a futex ([FutexWait]), or a goroutine on a [Bell], which
// costs no thread. [Sleep] and [Bell.Sleep] put the steps in the right order, and
// [Wake] and [Bell.Wake] are the other side.
//
// # Why no wake-up is lost
//
// The word parked is 1 while its waiter is about to sleep or sleeps. All accesses
// are of sync/atomic, so there is one order of them that all processes agree on
// (under the race detector with the help of [Fence]).
//
//	waiter  a: parked = 1         b: if ready, do not sleep
//	waker   c: make it ready      d: if parked != 0 and swap(parked, 0) != 0, ring
//
// Either c comes before b, and the waiter sees that it is ready; or b comes before
// c, hence a, b, c, d is the order, and the waker sees parked and rings. A ring that
// falls between b and the sleep itself is kept: a bell counts, and a futex
// whose word is not 1 any more does not let anyone sleep.
//
// # Guarantees
//
// W1: a waiter whose condition became true before its waker called Wake does not
// sleep on, however the steps interleave.
//
// W2: a ring is kept until somebody waits. Rings that nobody has waited for yet
// count as one.
//
// W3: waking never blocks and never allocates. When nobody has announced
// himself it makes no system call.
//
// W4: a goroutine that waits on a Bell holds no thread.
//
// # What is not promised
//
// Every wait can end without a cause. So conditions are re-checked, always.
//
// A waker that is killed between taking the announcement and ringing takes the
// wake-up along. Whoever learns of the death of a process that may have been a waker
// rings for it, announced or not: [Bell.Ring], or a store of 0 and [FutexWake].
//
// One word, one waiter: parked says that somebody sleeps, not how many. Several
// waiters need a word each, or a supervisor among them that passes the wake on.
//
// # Trust
//
// A peer that can write the word parked can keep its owner asleep or awake; it
// cannot make it fault. A peer that holds the descriptor of a bell can do worse: it
// may switch the descriptor, which all its holders share, to blocking mode and fill
// the counter, and whoever rings next stands still with all goroutines of its
// processor, and soon with the garbage collector. (Waiting is safe from that.) So a
// bell is for processes that share memory as members of one family. For code that
// is not trusted use a socket.
//
// # Systems
//
// Futexes and bells exist on Linux ([Available]). Elsewhere what creates or waits
// returns an error wrapping errors.ErrUnsupported. Spin works everywhere.
package wake
