package futures

import "iter"

// Pair is one input of a Map over two sequences.
type Pair[A, B any] struct {
	First  A
	Second B
}

// Zip yields the elements of two sequences in pairs and ends with the shorter
// one. It is for a Map over two sequences; for more, zip again.
func Zip[A, B any](as iter.Seq[A], bs iter.Seq[B]) iter.Seq[Pair[A, B]] {
	return func(yield func(Pair[A, B]) bool) {
		next, stop := iter.Pull(bs)
		defer stop()
		for a := range as {
			b, ok := next()
			if !ok || !yield(Pair[A, B]{a, b}) {
				return
			}
		}
	}
}
