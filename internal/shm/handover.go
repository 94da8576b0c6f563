package shm

// Publishing announces, to the race detector only, that the goroutine is about to
// hand something over by changing the word at off. Call it before each store, swap
// or compare-and-swap that others act upon.
func (r *Region) Publishing(off int) { r.shadow.release(off) }

// Observed announces, to the race detector only, that the goroutine saw a value of
// the word at off and acts upon it. Call it after the load, swap or
// compare-and-swap that took something over.
func (r *Region) Observed(off int) { r.shadow.acquire(off) }

// CopyIn copies src to off. It panics if src does not fit. The race detector sees it
// as a write.
func (r *Region) CopyIn(off int, src []byte) {
	r.mustContain("CopyIn", off, len(src))
	r.shadow.write(off, len(src))
	copy(r.mem[off:], src)
}

// CopyOut fills dst from off. It panics if the region ends before. The race detector
// sees it as a read.
func (r *Region) CopyOut(dst []byte, off int) {
	r.mustContain("CopyOut", off, len(dst))
	r.shadow.read(off, len(dst))
	copy(dst, r.mem[off:])
}
