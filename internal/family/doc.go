// Package family is the memory that a program and its worker processes share, and the
// knowledge of who is alive in it: what package ipc builds its objects on.
//
// A [Family] is one sparse region of anonymous shared memory. The process that first needs
// one makes it; workers inherit its descriptor, and so do their workers; another program of
// the same user may be handed it over a socket. In the region are the members, a table of
// objects, and blocks of memory for them. A [Ref] names an object: whoever maps the family
// finds it by two loads, so that a reference costs the same whatever the object's size.
//
// # Members
//
// A process becomes a member with the first object that it opens, and stops being one when
// it has let go of the last (workers stay until they end). A member has a number, a
// generation that tells it from earlier ones with that number, and a listener: a thread that
// sleeps on a futex of the member's and wakes the goroutines that wait here.
//
//	free --join--> alive --leaves, or dies--> buried --all repaired--> free
//
// One member is the warden: it watches the others through pidfds. When one dies, the warden
// repairs what the dead one had: frees its locks, lets each kind of object account for its
// share, and wakes all waiters, because a corpse may have swallowed a wake-up in any
// direction. All others watch the warden; when it dies or leaves, one of them takes its
// place.
//
// # States of an object
//
//	free --Create--> creating --> live --Close--> closed --nobody holds it--> free
//	  ^                 |                           |  ^
//	  +--creator dies---+                           v  |
//	                                             leaving: holders are being looked for
//
// The word of an object carries a generation, which changes when the place is free again: so
// that a reference to what was there before is known for what it is.
//
// # Guarantees
//
// FA1: an object's memory is given to another only when the object is closed and no living
// process holds it. Who opens it says so first and looks at the state afterwards; who frees
// it changes the state first and looks for holders afterwards.
//
// FA2: what a dead member had is repaired only after the kernel has said that all of its
// threads are gone, and before its number is given to another.
//
// FA3: a lock names its owner in the word that makes it locked, so that a death frees exactly
// what the dead one had.
//
// FA4: a wait set with a waiter in it has that member's bit, or a wake-up for it is on its
// way. A wake-up that reaches nobody is passed on.
//
// FA5: no number is read from the memory without being checked: a peer that writes
// nonsense makes an error, not a fault.
//
// FA6: who is alive is asked of a pidfd whose process was seen to have the start time that
// the member gave: a process number that was used again fools nobody.
//
// FA7: what the table of objects does not name is free: after the death of who had the
// allocator's lock, its lists are made anew from the table.
//
// FA8: when the last object is let go, no goroutine of this package is left, but in workers.
//
// # Waiting
//
// A [WaitSet] is a word with a bit for each of the first 63 members; the others share the
// last bit. Who waits links itself into a list of its process, sets its member's bit, looks
// once more, and parks on a channel. Who has changed something takes one bit away and rings
// that member: it notes in the member's word which sets were rung, by a hash, and wakes its
// thread if that sleeps. The listener there wakes one goroutine of each rung set whose bit is
// gone, and sets the bit again if more are waiting. One wake-up may stand for several changes;
// so who succeeds after it was woken passes the wake-up on while there is more to be had.
//
// # Trust
//
// All members can write all of the memory: a wild write in one can make the objects of all
// useless, as with threads, but nobody faults for it. A member that is stopped (SIGSTOP) keeps
// what it has.
//
// All members are in the same namespace of process numbers.
//
// # Concurrency
//
// All functions and methods may be called together. Lock order: Family.mu, then the
// allocator's lock in the shared memory; lot.mu is a leaf.
//
// LAYOUT.md in package ipc describes each word.
package family
