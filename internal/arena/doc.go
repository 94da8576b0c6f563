// Package arena hands out blocks of one shared-memory region. One process, the
// parent, makes the [Arena] and allocates; its workers map the same region, are
// told where a block is, and reach it with [View].
//
// All that the allocator knows about its blocks is in the parent's Go memory. A
// worker that is killed at any instruction, or writes wherever it likes, can spoil
// the bytes of blocks but never the books. It can write to a block that was given
// to another until it is gone, so the parent frees what a killed worker held only
// after it has waited for it.
//
// # Guarantees
//
// A1: two allocated blocks never overlap, and each lies within the region. An
// offset is a multiple of 64, and one of the page size for blocks of 1 MiB and more.
//
// A2: the pages of a block exist when Alloc returns it. To touch a page for which
// the machine has no memory is SIGBUS, which ends the process; here it is an Alloc
// that returns false. A peer that punches holes undoes this, like all that
// [shm.Region.Reserve] does.
//
// A3: no method changes a byte of an allocated block. What a new block holds is
// whatever was there before: nobody clears it. Memory that Free or Trim gave back to
// the system reads as zeros until somebody writes there again.
//
// A4: Alloc does not fail while a free block that is large enough exists, whatever
// its size. Smaller ones that lie side by side serve too once enough blocks were
// freed to pay for the search (see Arena.mergePays), and always when all were.
//
// A5: at most 256 MiB stay warm in large free blocks, those of 64 KiB and more
// (two pages, where they are larger). Smaller ones stay warm until Trim, and so does
// what a full arena has split or merged.
//
// A6: no system call is made with the arena's lock held, so the books are never
// behind a slow kernel.
//
// A7: what a peer says gives an error (View), what the caller does wrong panics
// (Free).
//
// A8: a closed arena keeps its memory until its last block is freed, and then gives the
// addresses back too: 64 GiB for each pool that a program has had would be all addresses
// after two thousand of them.
//
// # Concurrency
//
// All methods may be called together. Lock order: Arena.mu is a leaf.
package arena
