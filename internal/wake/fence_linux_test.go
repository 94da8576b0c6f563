package wake

import (
	"sync"
	"testing"
)

// W1 rests on a store that is not overtaken by the load after it. Two goroutines
// store to a word each and then look at the other's: whoever looked too early to
// see the other's store must be seen by the other. Without Fence this fails under
// the race detector within a few thousand steps.
func TestFence(t *testing.T) {
	const steps = 200_000
	game := newTable(t)
	x, y := &game.board.ping, &game.board.pong
	var sawY, sawX [steps + 1]uint64 // at index i, seen after storing i
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := uint64(1); i <= steps; i++ {
			x.Store(i)
			Fence()
			sawY[i] = y.Load()
		}
	})
	wg.Go(func() {
		for i := uint64(1); i <= steps; i++ {
			y.Store(i)
			Fence()
			sawX[i] = x.Load()
		}
	})
	wg.Wait()
	for i := uint64(1); i <= steps; i++ {
		// y became next after x had become i.
		if next := sawY[i] + 1; next <= steps && sawX[next] < i {
			t.Fatalf("x = %d saw y = %d, and y = %d saw x = %d", i, sawY[i], next, sawX[next])
		}
	}
}
