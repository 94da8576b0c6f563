// Package taskring is a ring of tasks in shared memory that idle worker processes
// pull from. It carries bytes and knows nothing of functions or futures.
//
// The parent makes a [Ring] and publishes tasks; each worker process attaches to it
// as a [Worker], claims tasks, and completes them. Nobody holds a lock that a corpse
// could keep: who owns a task is decided by one compare-and-swap that carries the
// worker's number.
//
// # A task's place
//
// A task lives in a slot from Publish until the parent frees it. The slot's state
// word says everything about it: a ticket that is never used twice, the owner, and
// the status.
//
//	free --Publish--> queued --claim--> claimed --Begin--> begun --Complete--> done --Next--> taken --Free--> free
//	                    |                  |_____________________|____________|               |
//	                    |                      the worker dies: Bury -------------------------+
//	                    +--Withdraw--> withdrawn --Free--> free
//
// The order is a ring of words, each a ticket and the number of its slot. head is the
// next ticket to claim: a hint that anybody moves past entries that are not queued any
// more. A completion is the slot's number in the ring of the worker that ran it.
//
// # Guarantees
//
// R1: of all claims and withdrawals of a published task exactly one succeeds.
//
// R2: a task that is claimed or begun names its owner, so that after a death the parent
// finds exactly what the dead worker had, and whether it had begun.
//
// R3: a completion that was published before the worker's death is valid.
//
// R4: whoever publishes a task, and finds more tasks queued than workers spinning, wakes
// a parked one. Who parks announces itself first and looks again afterwards.
//
// R5: the parent reads no number from the memory without checking it: a worker that
// writes nonsense gets an error for itself, it cannot make the parent fault.
//
// # Death
//
// A corpse may have swallowed a wake-up in any direction. So after each death the
// parent calls Bury, which takes the worker off the lists, and then looks for
// completions of all, and wakes a worker if something is queued.
//
// # Layout, version 1
//
// All words are little-endian, as the processors are that Go runs on with this
// package. N is the number of slots, a power of two, W that of workers.
//
//	offset     size        written by   content
//	0          8           parent       magic "futring1"
//	8          4           parent       N
//	12         4           parent       W
//	128        8           all          head: the next ticket to claim
//	256        128         workers      bit w of word w/64: worker w spins
//	384        128         all          bit w of word w/64: worker w is parked
//	512        4           all          1: the parent waits for room in the ring
//	640        4           all          1: the parent sleeps until its bell rings
//	4096       W*128       see Control  control blocks
//	then       N*8         parent       order: ticket (40 bits) << 24 | slot
//	then       W*N*8       worker w     completions: sequence (40 bits) << 24 | slot
//	then       N*256       see slot     slots, from a page boundary
//
// A control block:
//
//	0          4           all          1: the worker sleeps (futex)
//	4          4           parent       1: finish what runs and claim no more
//	8          8           parent       sequence of the worker's first completion
//	64         8           worker       slot+1 of the task that it runs, 0 for none
//
// A slot:
//
//	0          8           see above    state: ticket (40) << 24 | owner (16) << 8 | status (8)
//	8          4           parent       function
//	12         4           parent       attempt
//	16         4           parent       flags: 1 record and argument are in the block, 2 note when it
//	                                   begins, 4 it is several calls
//	20         4           parent       length of the context record before the argument
//	24         8           parent       length of record and argument
//	32         8           parent       offset of the block
//	40         8           parent       size of the block, 0 if there is none
//	48         8           parent       timeout of this attempt in ns, 0 for none
//	56         8           parent       deadline in ns since 1970, 0 for none
//	64         8           worker       length of the result
//	72         4           worker       kind of the result
//	76         4           worker       the call that it makes, of several
//	80         8           worker       when it began, CLOCK_MONOTONIC in ns
//	88         168         both         record and argument, or result, if they fit
//
// What does not fit inline is in the block, which the parent lends to the task. A result
// that fits neither takes another way.
package taskring
