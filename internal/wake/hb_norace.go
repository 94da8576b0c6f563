//go:build !race

package wake

// hb is nothing without the race detector.
type hb struct{}

func (*hb) release() {}
func (*hb) acquire() {}
