package cluster

import (
	"testing"
	"time"
)

func TestAverage(t *testing.T) {
	var a average
	a.note(int64(400))
	for range 100 {
		a.note(400)
	}
	a.note(int64(20 * time.Millisecond))
	if got := time.Duration(a.Load()); got > 5*time.Microsecond {
		t.Errorf("one long call among short ones makes the average %v", got)
	}
	calls := 0
	for ; a.Load() < int64(9*time.Millisecond) && calls < 1000; calls++ {
		a.note(int64(10 * time.Millisecond))
	}
	if calls > 60 {
		t.Errorf("it takes %d long calls to be known as long", calls)
	}
	for calls = 0; a.Load() > 1000 && calls < 1000; calls++ {
		a.note(400)
	}
	if calls > 150 {
		t.Errorf("it takes %d short calls to be known as short", calls)
	}
	a.note(0)
	if a.Load() < 1 {
		t.Errorf("average %d, which is none", a.Load())
	}
}
