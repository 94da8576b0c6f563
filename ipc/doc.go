// Package ipc is what processes share: queues, pipes, values, arrays, bytes, locks and
// conditions, in anonymous shared memory. In Python: the second half of multiprocessing.
//
//	q, err := ipc.NewQueue[string](ipc.QueueOptions{})
//	Work.Submit(ctx, procs, Job{ID: 1, Out: q}) // a handle is an ordinary argument
//	for s, err := range q.All(ctx) { ... }      // ends when the queue is closed and drained
//
// docs/guide/sharing.md is the introduction, and LAYOUT.md describes every word in the memory.
//
// # Handles
//
// An object lives in the memory that a program and its worker processes share. What a program
// has of it is a handle: a pointer to a [Queue], [Mutex], [Value] and so on. Handles travel:
// as arguments and results of tasks, in structs, slices and maps, as values of queues; from
// parent to worker, worker to parent, worker to worker, and on to the workers of workers.
// They cost the same whatever the size of the object: 28 bytes (36 for a pipe's end), and about a microsecond when a
// process opens an object for the first time. Between unrelated programs of one user they
// travel by [Export] and [Import].
//
// A handle whose object is gone does not decode: the error wraps [ErrGone], and the task that
// it was an argument of fails with that. So does a handle in a worker of an Isolated pool, which
// shares no memory, with [ErrForeign].
//
// # The life of an object
//
// Close ends an object for all processes: who waits gets [ErrClosed], and so do later calls;
// a queue is first drained. The memory is given back when the object is closed, and no process
// uses it any more: a process lets go of an object when its garbage collector has found that
// nobody has a handle of it, and when it ends, however it does. An object that nobody closes
// stays until the program and its workers are gone. Then all is gone: there are no names, and
// nothing is left on any file system, whoever was killed whenever.
//
// A [PipeEnd] is different: its Close is that of one handle.
//
// # Death
//
// Any process may be killed at any instruction. The others go on:
//
//	Queue, Pipe      lose at most the value that it was putting or taking
//	                 (what it had taken counts as done for Join); a pipe's other end is told
//	Mutex            is free, and its next owner is told ErrOwnerDied
//	RecursiveMutex   the same
//	Semaphore        what it had acquired is released (an unbounded one has signals, which
//	                 nobody has)
//	Event            stays as it is
//	Cond             a notification that it had not used goes to another waiter
//	Barrier          is broken if it was waiting there
//	Value, Array     keep what was written; a Value is never torn
//
// Nobody is told by process numbers, which are used again: the kernel says of a pidfd when its
// process is dead.
//
// # Guarantees
//
// Q1: a ring of a queue or pipe is whole at any instant. A record is in it when one store to
// tail says so, and out when one store to head does.
//
// Q2: what is put is taken once, in the order of each producer, but for what is lost with a
// dead process.
//
// Q3: a number from the memory is checked before it is used (FA5 of package family).
//
// PI1: a message is received whole or not at all, once, in the order of its sender; who dies
// in the middle loses that message and no other.
//
// PI2: the pieces of a long message are not mixed with others: who has P puts them all, who
// has C takes them all; what was begun and not finished is thrown away by its reader.
//
// PI3: a handle of a PipeEnd lets go when it is closed and no call is inside.
//
// PI4: an end is gone when no living process holds it and no ticket says that it is on its
// way; then both its rings are closed. Who arrives holds before it clears its ticket.
//
// L1: a lock has one owner at a time, and after an owner's death the next one is told.
//
// L2: of a recursive mutex, who has it is the owner that was given, whatever the goroutine.
//
// L3: of a bounded semaphore, the permits that are to be had and those that processes have are
// as many as it was made with: the former are computed from the latter.
//
// L4: who waits first for permits gets them first, however many they are.
//
// L5: a notification wakes one who slept when it was given, and one of those who leave without
// it passes it on.
//
// L6: a round of a barrier is either completed, by one who finds all there, or broken: both are
// a compare-and-swap of the same word.
//
// V1: each method of a Value is one step for all processes.
//
// V2: a Value is there twice if it does not fit into a word, and a word says which of the two
// counts: a writer that dies leaves the last whole one.
//
// V3: a reader sees a whole Value, without waiting: a copy is written again only after readers
// can know that they have to look again.
//
// V4: memory of which a slice was given out stays this process's as long as the handle is
// reachable, closed or not.
//
// V5: Bytes are mapped for reading only.
//
// V6: the lengths of a Value, an Array and Bytes are read once and compared with the size of the
// object; what does not fit is an error when the handle is decoded.
//
// # Concurrency
//
// All functions and methods may be called together, from any process, unless their
// documentation says otherwise. Waiting honours the context and costs no thread: one thread
// for each process listens for wake-ups while it has objects open.
//
// # Systems
//
// Objects exist on Linux. Elsewhere the constructors return an error that wraps
// errors.ErrUnsupported, and everything builds.
package ipc
