// Package shm is anonymous shared memory: memory that several processes map,
// that has no name in any file system, and that is reached only through a
// descriptor which one process passes to another.
//
// [Create] makes a [Region] and maps it. Its descriptor travels to another
// process (inherited, or sent over a socket), which maps the same memory with
// [Open]. The memory is freed when the last descriptor and the last mapping are
// gone, however their owners died. [CreateBroadcast] makes memory that only its
// creator can write; the others use [OpenReadOnly].
//
// # Trust
//
// A process that holds the descriptor of an ordinary region may write every byte
// of it, at any time and several times, may punch holes into it, and may be
// killed between any two instructions. It can do no more than that: it cannot
// take the memory away (S1). So what is read from a region is a peer's word for
// it. Load it once into a local variable, check the variable ([Region.CheckRange]
// for offsets and lengths), and use the variable, never the memory again. What
// the descriptor's holder itself asks for wrongly (a misaligned word, a range
// outside of the region) is its own mistake and panics.
//
// A descriptor that comes from elsewhere is not believed to be a region at all:
// Open asks the kernel what it is.
//
// One thing can still raise SIGBUS: a first touch of a page when the machine has
// no page left to give. [Region.Reserve] turns that into an error at a chosen
// moment; a peer that punches a hole afterwards undoes it.
//
// # Guarantees
//
// S1: the size of a region never changes. The seals against shrinking and growing
// are set before Create returns; Open refuses memory without them. An access
// within [0, Size) therefore never faults for want of a file behind it.
//
// S2: an address that was handed out stays mapped until the process ends, also
// after [Region.Close]: a slice that somebody kept reads zeros and its writes go
// nowhere, but it neither faults nor shows what another region holds. Only
// [Region.Unmap] gives addresses back.
//
// S3: no name and no leak. Descriptors are close-on-exec, the mode is 0600, and
// the memory can never be made executable through its descriptor where the kernel
// knows how to say so (Linux 6.3).
//
// S4: what a peer wrote gives an error, what the caller did wrong panics.
//
// S5: no Go pointer enters a region: the garbage collector does not look there, and
// another process has other addresses. [At] and [SliceAt] refuse types that contain
// one. Types whose meaning depends on their address in one process (sync.Mutex,
// sync.WaitGroup, uintptr) have no business there either.
//
// S6: a word of a region orders memory accesses exactly like a sync/atomic word
// on the heap, within a process and between processes. The race detector cannot
// see that by itself; see below.
//
// # The race detector
//
// The detector keeps no record of memory that is not Go's. That has three
// consequences under -race:
//
//   - Accesses to a mapping are never reported. True races stay hidden.
//   - Atomic operations on a mapping order nothing in its eyes. Go memory that is
//     handed from goroutine to goroutine through a word of a region looks racy.
//   - Atomic stores to a mapping are weaker than sync/atomic promises: a CPU may hold
//     one back while it performs the next load. A protocol that stores one word and
//     then loads another needs a fence between them, which package wake has.
//
// [Region.Publishing] and [Region.Observed] tell the detector about a hand-over,
// and [Region.CopyIn] and [Region.CopyOut] about accesses to a region's bytes. They
// act on a shadow of the region in Go memory, which all regions of this process
// that map the same memory share, and which covers the first MiB. Without -race
// they cost nothing. What another process does stays unknown to the detector.
//
// # Concurrency
//
// All methods may be called together, except Unmap, which the last user calls.
// Lock order: the region's mu is a leaf; no lock is taken and no code of the
// caller runs under it.
package shm
