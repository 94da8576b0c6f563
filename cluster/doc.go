// Package cluster is an executor on many machines. A registered function runs on a worker
// somewhere with the same call as on goroutines or in worker processes; NATS JetStream
// carries tasks and results, embedded in this program or as a service of its own.
//
//	var Sum = futures.Define("sum", func(ctx context.Context, n int64) (int64, error) { ... })
//
//	pool, err := cluster.Connect(ctx, cluster.Options{URL: "nats://nats.example.com"})
//	...
//	defer pool.Close()
//	f := Sum.Submit(ctx, pool, 10_000_000)
//
// and on each machine that works:
//
//	err := cluster.Serve(ctx, cluster.ServeOptions{URL: "nats://nats.example.com"})
//
// Without a URL, Connect starts a server and workers in this program.
// SUBJECTS.md lists all streams and subjects.
//
// # States of a task
//
//	queued --> sent --> stored --> handed over --> begun --> done
//	   ^                  ^             |            |
//	   |                  |  its worker is lost, or gives it back
//	   |                  +-------------+------------+
//	   +--- delayed <-- retry, by the client ---------+
//
// Queued, the task is in this program only. Sent, it is in a message that the server has
// not acknowledged: it is sent again until it is. From stored on it survives this program
// and, with files and replicas, servers. A worker that has it keeps a lease on it. Begun, its
// function runs or has run. Done, its result is stored, and kept until the client has it; or
// for Options.ResultTTL if the client asked for the task's id.
//
// Short tasks travel together: while one message of theirs is on its way to storage, what is
// submitted meanwhile becomes the next one. A task of which it is not known that it is short,
// or that must not run twice, has a message of its own.
//
// # Guarantees
//
// CL1: a future is resolved once, and of one id one result is accepted, whoever ran the task
// and however often.
//
// CL2: a task that was stored is run unless it is cancelled, or ends among the dead letters
// with its history. Nothing is dropped in silence.
//
// CL3: a task runs again only after its worker was lost or when [futures.Retry] asks for it. It
// survives the loss of as many workers as the policy's Max says, 1 without a policy; then it
// fails with a [futures.CrashError].
//
// CL4: a worker extends a lease only while the task's future is unresolved and its executor
// works.
//
// CL5: a worker asks for no more than it can begin, but for short tasks of some milliseconds
// of work.
//
// CL6: when Close or Shutdown has returned, nothing of the pool is left here: goroutine,
// connection, file; and nothing in the streams but what somebody holds an id of, and for two
// minutes the claims of tasks that may lose no worker. Serve
// likewise leaves nothing.
//
// CL7: a message that does not decode hurts nobody: workers put it with the dead letters,
// clients ignore it.
//
// CL8: what a client keeps is bounded by Options.Queue and by what runs.
//
// Not promised: that a function runs once only, where its worker was lost, or where a server
// ended that had not yet written down what workers had acknowledged, as one does that is killed:
// then tasks of its last moments may run again, but for those that may lose no worker, of which
// a claim is stored before they begin and kept for two minutes; that a
// task that may lose no more workers is no dead letter where it was done, and the last was lost before
// it could say so; that a result survives its worker while the server has no storage left
// for it; order; and, with more than one server, that what is urgent and has just been stored comes
// first, and that a task whose Cancel returned true had not just begun,
// or does not begin where its worker was lost at that moment.
//
// # What client and worker say to each other
//
// Beside tasks and results there are notices to a client and cancels to all workers, which
// are not stored. Package internal/envelope has the formats. A worker
//
//   - says Begun before it begins a function that is long or that it does not know, and has
//     the server take that before the function begins: who has seen the function at work
//     finds the notice arrived once a notice of its own comes back (a fence);
//   - says Begun of others that are not done after a millisecond;
//   - answers each cancel at once, for each of the items in it that it has: Begun, or Dropped
//     if it had not begun it, and then does not;
//   - takes the cancels that have come before it begins a function, and remembers them for a
//     minute. So what the consumer had not delivered after a cancel was sent will not be
//     begun: that is how Cancel knows that nobody has a task;
//   - stores the outcome Cancelled for what it dropped.
//
// # Concurrency
//
// Lock order: Pool.feed, then the queue's lock, that of Pool.delays, and those of package
// internal/stream and of nats.go. worker.mu is taken with none of them held. All others are
// leaves. No lock is held while user code runs but for Events; decoding of values by users'
// methods, retry policies and callbacks run in goroutines of their own.
package cluster
