package cluster

import (
	"sync/atomic"
	"time"
)

// average is a moving average of run times in ns: at least 1, and 0 before the first. It follows
// what becomes the rule within some tens of calls. A call that takes much longer than the others,
// as most do for which there was no processor, hardly moves it: else one of them would make
// hundreds after it travel alone.
type average struct{ atomic.Int64 }

// note notes how long a call has taken. Of two that note at the same time one may be lost.
func (a *average) note(ns int64) {
	was := a.Load()
	if was == 0 {
		a.Store(max(1, ns))
		return
	}
	ns = min(ns, 4*was+int64(averageStep))
	a.Store(max(1, was+(ns-was)/8))
}

// averageStep lets the average of very short calls grow.
const averageStep = 20 * time.Microsecond
