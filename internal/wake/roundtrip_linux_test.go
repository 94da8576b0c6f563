package wake

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What does waking cost the waker.
func BenchmarkWaker(b *testing.B) {
	game := newTable(b)
	b.Run("nobody-announced", func(b *testing.B) {
		for b.Loop() {
			Wake(&game.board.parked)
		}
	})
	b.Run("futex-nobody-waits", func(b *testing.B) {
		for b.Loop() {
			FutexWake(&game.board.parked, 1)
		}
	})
	b.Run("ring", func(b *testing.B) {
		for b.Loop() {
			game.mine.Ring()
		}
	})
	b.Run("ring-and-wait", func(b *testing.B) {
		for b.Loop() {
			game.mine.Ring()
			if err := game.mine.Wait(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("futex-wait-changed", func(b *testing.B) {
		var word atomic.Uint32
		for b.Loop() {
			if err := FutexWait(&word, 1, -1); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// How long does a message take to another process and back, by placement: both on
// one CPU, on two, or where the kernel likes them. A blocking pipe is the floor of
// what the kernel offers without shared memory. ns/op is the mean; compare p50.
func BenchmarkRoundTrip(b *testing.B) {
	placements := []struct {
		name         string
		parent, peer int // CPU, or -1
	}{{"one-cpu", 0, 0}, {"two-cpus", 0, 1}, {"free", -1, -1}}
	for _, place := range placements {
		b.Run(place.name, func(b *testing.B) {
			if place.peer >= runtime.NumCPU() {
				b.Skip("SKIP: too few CPUs")
			}
			b.Run("pipe", func(b *testing.B) {
				benchmarkPipe(b, place.parent, place.peer)
			})
			for _, way := range ways {
				for _, max := range []time.Duration{DefaultSpin, 0} {
					name := way.name + "-spin"
					if max == 0 {
						name = way.name + "-park"
					}
					b.Run(name, func(b *testing.B) {
						game := newTable(b)
						game.max, game.cpu = max, cpuName(place.peer)
						game.start(b, "pong-"+way.name)
						me := game.side(way.side, max)
						if way.name == "futex" {
							runtime.LockOSThread()
							defer runtime.UnlockOSThread()
						}
						roundTrips(b, place.parent, func(n int) { game.play(b, me, n) })
					})
				}
			}
		})
	}
}

func cpuName(cpu int) string {
	if cpu < 0 {
		return ""
	}
	return strconv.Itoa(cpu)
}

func benchmarkPipe(b *testing.B, parent, peer int) {
	var to, from [2]int
	for _, pipe := range []*[2]int{&to, &from} {
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
			b.Fatal(err)
		}
	}
	b.Cleanup(func() {
		_ = unix.Close(to[1])
		_ = unix.Close(from[0])
	})
	game := newTable(b)
	game.cpu = cpuName(peer)
	in, out := os.NewFile(uintptr(to[0]), "to"), os.NewFile(uintptr(from[1]), "from")
	game.start(b, "pong-pipe", in, out)
	_ = in.Close()
	_ = out.Close()
	var buf [8]byte
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	roundTrips(b, parent, func(n int) {
		for range n {
			if _, err := syscall.Write(to[1], buf[:]); err != nil {
				b.Fatal(err)
			}
			if n, err := syscall.Read(from[0], buf[:]); n != len(buf) {
				b.Fatalf("read %d bytes: %v", n, err)
			}
		}
	})
}

// roundTrips measures single rounds and reports their quantiles.
func roundTrips(b *testing.B, cpu int, play func(rounds int)) {
	if cpu >= 0 {
		var all unix.CPUSet
		if err := unix.SchedGetaffinity(0, &all); err != nil {
			b.Fatal(err)
		}
		if err := stayOn(cpu); err != nil {
			b.Fatal(err)
		}
		defer func() {
			if err := setAffinity(&all); err != nil {
				b.Error(err)
			}
		}()
	}
	play(1000) // until the peer is there and the waits have adapted
	samples := make([]time.Duration, 0, 1<<16)
	for b.Loop() {
		start := time.Since(epoch)
		play(1)
		if len(samples) < cap(samples) {
			samples = append(samples, time.Since(epoch)-start)
		}
	}
	slices.Sort(samples)
	b.ReportMetric(float64(samples[len(samples)/2]), "p50-ns")
	b.ReportMetric(float64(samples[len(samples)*99/100]), "p99-ns")
}
