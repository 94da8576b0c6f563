package arena

import "math/bits"

// Blocks come in classes of sizes: powers of two and, halfway between two of them,
// one and a half times the lower one. So at most a third of a block is not asked
// for, and for most sequences of requests a freed block fits the next one.
//
//	class   0    1    2     3     4     5     6
//	bytes 512  768 1024  1536  2048  3072  4096 ...
const (
	minShift = 9                                // the smallest block has 1<<minShift bytes
	classes  = 2*(bits.UintSize-2-minShift) + 1 // the largest has 1<<62
)

// classOf returns the smallest class whose blocks have n bytes. The caller has made
// sure that one has.
func classOf(n int) int {
	if n <= 1<<minShift {
		return 0
	}
	shift := bits.Len(uint(n - 1)) // 1<<(shift-1) < n <= 1<<shift
	class := 2 * (shift - minShift)
	if n <= 3<<(shift-2) {
		class--
	}
	return class
}

// sizeOf returns the size of a class's blocks in bytes, a multiple of grain.
func sizeOf(class int) int {
	return (2 + class&1) << (minShift - 1 + class>>1)
}
