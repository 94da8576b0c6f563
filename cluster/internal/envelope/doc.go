// Package envelope is the bytes of the cluster executor's messages: tasks, results,
// notices, cancels and dead letters. It is pure: it knows neither connections nor
// executors. What carries which message stands in the module's SUBJECTS.md.
//
// # What holds
//
// EN1: what an Append function makes, the Parse function of its kind takes, and it gives
// equal data.
//
// EN2: a Parse function neither panics nor hangs on any bytes, allocates no more than a
// small multiple of them, and takes nothing that an Append function would not have made:
// no unknown version, kind or flag, no bytes that nobody reads.
//
// EN3: what a Parse function gives refers to the message for []byte and not for string. It
// uses the memory of the struct it is given again, so that steady traffic costs no
// allocation: what was parsed into it before is gone.
//
// # Format, version 1
//
// Every number is little-endian. A message begins with:
//
//	offset  size  content
//	0       2     "fx"
//	2       1     kind
//	3       1     version, 1
//
// A time is in ns since 1970, a duration in ns. "text of 1" is a length of one byte and as
// many bytes of UTF-8; "text of 2" and "bytes of 4" likewise.
//
// Kind T, a task message: one task, or several short ones (a chunk).
//
//	4       2     items, 1 to 1024
//	6       2     how many workers that had it were lost
//	8       8     chunk, a number that the client gives once
//	16      4     index of the item that was split off the chunk, or 0xffffffff for all of it
//	20      2     losses, at most 64
//	22      2     0
//	24      ...   client, text of 1; epoch, text of 1
//	then for each loss
//	0       8     time
//	8       ...   who noticed, text of 1; why, text of 2
//	then for each item
//	0       4     length of the item, all of it
//	4       4     index in the chunk
//	8       2     flags: which of the optional parts there are
//	10      2     length of the function's name, at least 1
//	12      2     how many workers may be lost with it before it has failed
//	14      2     attempts that the client has seen fail
//	16      8     time of the submission
//	24      4     length of the record of context values
//	28      4     length of the argument
//	32      ...   name of the function
//	              flag 1: deadline of the submitter's context, a time, 8 bytes
//	              flag 2: timeout of an attempt, a duration, 8 bytes
//	              flag 4: retry policy: Max, Backoff, MaxBackoff, Multiplier, Jitter, 8 bytes each,
//	                      the last two IEEE 754
//	              flag 8: labels: their number in 2 bytes, then key and value of each, text of 2
//	              flag 16: the argument is in the object store: its size in 8 bytes, its name, text of 1
//	              record of context values, argument
//
// Kind R, a result message: the outcomes of all items of a task message, or, flag 1, that it
// was split into messages for each item, or, flag 2, of some of its items before all are done,
// or, flag 4, no outcome yet: its only item begins, and may run only once.
//
//	4       2     outcomes, at most 1024
//	6       1     flags
//	7       1     0
//	8       8     chunk
//	16      ...   worker, text of 1
//	then for each outcome
//	0       4     index in the chunk
//	4       1     outcome kind, a Kind
//	5       1     flags. 1: the payload is in the object store
//	6       2     attempts that the worker made
//	8       8     how long the last one ran, a duration
//	16      4     length of the payload
//	20      4     0
//	24      ...   flag 1: its size in 8 bytes, its name, text of 1
//	              payload
//
// Kind N, a notice to a client.
//
//	4       4     items that have begun
//	8       4     items that were not begun and will not be: they were cancelled
//	12      4     items that were not begun and are given back to the queue
//	16      8     fence: the client's number, or 0
//	24      ...   worker, text of 1; then for each item a reference
//
// A reference is the chunk in 8 bytes and the index in 4, where 0xffffffff is all of it.
//
// Kind C, to all workers: stop these; kind H: who has one of these.
//
//	4       4     references
//	8       1     flags. 1: all of the client's
//	9       ...   client, text of 1; then the references
//
// Kind D, a dead letter.
//
//	4       4     length of the message
//	8       8     time
//	16      ...   worker, text of 1; why, text of 2; subject of the message, text of 2; the message
package envelope
