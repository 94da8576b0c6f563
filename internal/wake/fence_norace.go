//go:build !race

package wake

// Fence keeps a store before it and a load after it in their order, as sync/atomic
// promises for both anyway; it is empty and costs nothing. Under the race detector
// it is not empty: there an atomic store to memory that is not Go's is an ordinary
// one with a release, which a CPU may still hold back while it performs the next
// load. Whoever announces something in shared memory and then looks whether he is
// too late, or changes something and then looks who has announced himself, calls it
// between the two. The functions of this package do.
func Fence() {}
