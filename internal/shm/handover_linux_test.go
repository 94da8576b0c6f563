package shm_test

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/futures-go/futures/internal/shm"
)

// S6: under the race detector, a hand-over that is announced is silent, through one
// region or two of the same memory, and a true race on a region's bytes is found.
func TestRaceDetectorIsTold(t *testing.T) {
	if !raceEnabled {
		t.Skip("SKIP: needs -race, which CI runs")
	}
	for role, racy := range map[string]bool{"race": true, "norace": false, "norace-two": false} {
		t.Run(role, func(t *testing.T) {
			cmd := command(t, role)
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil {
				t.Fatal(err)
			}
			reported := strings.Contains(string(out), "WARNING: DATA RACE")
			if reported != racy || cmd.ProcessState.ExitCode() == 66 != racy {
				t.Errorf("reported %v, want %v: %v\n%s", reported, racy, err, out)
			}
		})
	}
}

// handOver passes Go memory and region bytes from goroutine to goroutine through a
// word, 1000 times there and back.
func handOver(a, b *shm.Region, announce bool) {
	var heap int
	play := func(r *shm.Region, mine, other uint32) {
		word := r.Uint32(0)
		buf := make([]byte, 100)
		for range 1000 {
			for word.Load() != mine {
				runtime.Gosched()
			}
			if announce {
				r.Observed(0)
				heap++
			}
			r.CopyOut(buf, 64)
			r.CopyIn(64, buf)
			if announce {
				r.Publishing(0)
			}
			word.Store(other)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { play(a, 0, 1) })
	wg.Go(func() { play(b, 1, 0) })
	wg.Wait()
	if announce && heap != 2000 {
		panic("lost an increment")
	}
}

func roleRace() error {
	r, err := shm.Create("race", shm.PageSize())
	if err != nil {
		return err
	}
	handOver(r, r, false)
	return r.Close()
}

func roleNoRace() error {
	r, err := shm.Create("norace", shm.PageSize())
	if err != nil {
		return err
	}
	handOver(r, r, true)
	return r.Close()
}

func roleNoRaceTwo() error {
	r, err := shm.Create("norace", 4<<20) // larger than its shadow
	if err != nil {
		return err
	}
	file, err := r.File()
	if err != nil {
		return err
	}
	second, err := shm.Open(int(file.Fd()), r.Size())
	if err != nil {
		return err
	}
	handOver(r, second, true)
	end := []byte("beyond the shadow")
	r.CopyIn(r.Size()-len(end), end)
	second.CopyOut(end, r.Size()-len(end))
	r.Publishing(r.Size() - 4)
	second.Observed(r.Size() - 4)
	if err := errors.Join(second.Close(), r.Close()); err != nil {
		return err
	}
	r.Publishing(0) // late announcements do no harm
	if err := file.Close(); err == nil {
		return errors.New("the descriptor did not belong to the second region")
	}
	_, err = os.Stdout.Write(nil)
	return err
}
