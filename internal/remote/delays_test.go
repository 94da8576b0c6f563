package remote

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d Delays[string]
		began := time.Now()
		type end struct {
			job   string
			after time.Duration
		}
		ends := make(chan end, 3)
		for j, wait := range map[string]time.Duration{"at once": time.Nanosecond, "soon": time.Second, "never": time.Minute} {
			d.Start(j, wait, func() {
				if d.Forget(j) {
					ends <- end{j, time.Since(began)}
				}
			})
		}
		if d.Len() != 3 || len(d.All()) != 3 {
			t.Errorf("%d jobs: %v", d.Len(), d.All())
		}
		for _, want := range []end{{"at once", time.Nanosecond}, {"soon", time.Second}} {
			if got := <-ends; got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		if !d.Forget("never") || d.Forget("never") || d.Forget("another") {
			t.Error("who forgets a job is not told so once")
		}
		time.Sleep(time.Hour)
		if len(ends) != 0 || d.Len() != 0 {
			t.Errorf("forgotten, and over: %d; left: %d", len(ends), d.Len())
		}
	})
}
