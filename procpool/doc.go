// Package procpool is an executor on worker processes: what Go does not have. A
// registered function runs in another process with the same call as on goroutines;
// whatever it does to that process, this program goes on, and is told what happened.
//
//	var Sum = futures.Define("sum", func(ctx context.Context, n int64) (int64, error) { ... })
//
//	func main() {
//		procpool.ServeIfWorker() // first: a worker serves here and never returns
//		pool, err := procpool.New(procpool.Options{Workers: 3})
//		...
//		defer pool.Close()
//		f := Sum.Submit(ctx, pool, 10_000_000)
//	}
//
// A worker is this very program, started again. Workers come with the first tasks, are
// used again while they are idle, and go after Options.IdleTimeout. docs/guide/processes.md
// is the introduction; PROTOCOL.md says what parent and worker say to each other.
//
// # States of a worker
//
//	  needed
//	    |
//	    v       HELLO                  READY            asked to go, or BYE
//	starting ---------> initializing ---------> ready ---------> retiring
//	    |                     |                   |                  |
//	    |  asked to go: killed, it has nothing    | it dies          | it exits
//	    |                     |                   |                  |
//	    +----------+----------+---------+---------+------------------+
//	               v                    v
//	             gone: what it had is accounted for, and another one comes
//	                   if it was not asked to go or there are tasks for it
//
// Each process has its goroutine, worker.live, which starts it, takes what it says, and
// buries it: completions that it has written are taken first, then what it had started
// fails with a [futures.CrashError] and what it had not started goes back in line. After
// a death before ready the next start waits, 100 ms to 30 s; after three in a row, with
// no other worker left, the pool is broken.
//
// # States of a task
//
//	queued --> handed over --> begun --> done
//	   ^            |            |
//	   |  worker dies: back      |  worker dies: CrashError
//	   +------------+            |
//	   +--- delayed <-- retry ---+
//
// # Guarantees
//
// PP1: a task's function is begun at most once for each attempt, and an attempt more is
// made only if [futures.Retry] asks for it. What was handed to a worker that died before
// it began runs elsewhere, silently.
//
// PP2: at any instant it is known of every task whether it is queued, owned by which
// worker, or done: by one compare-and-swap that carries the owner, or because a worker's
// pipe is its own. No lock exists that a corpse could hold.
//
// PP3: a task that does not heed the end of its context, or its timeout, is killed after
// Options.KillGrace, together with its worker and nothing else: the worker takes nothing
// more before it is killed.
//
// PP4: a worker moves through its states only as drawn above.
//
// PP5: a queued task waits only for a worker: never behind another task while some
// worker is idle.
//
// PP6: when Close, Shutdown, Kill or Terminate has returned, no process, goroutine and
// descriptor of the pool is left. When this program dies, however that is, its workers
// and what they have started are killed.
//
// PP7: nothing that a worker says or writes can make the parent panic, hang or fault: a
// worker that does not keep to the protocol is killed, and its task fails.
//
// # Two transports
//
// On Linux, tasks and results are in shared memory: a ring from which idle workers pull
// (package internal/taskring), and blocks for what is large (internal/arena). All
// workers of a pool can write all of that memory, so a wild write in one can hurt the
// tasks of others, though not the parent. With Options.Isolated, and on other systems, a
// worker has a pipe of its own for everything, one task at a time.
//
// # Concurrency
//
// Lock order: pulls.role, Pool.feed, taskqueue's lock, Pool.mu; the lock of Pool.functions and job.mu
// are leaves but for writing to a worker's pipe. No lock is held while user code runs.
// Callbacks and the decoding of values by users' methods run in goroutines of their own.
package procpool
