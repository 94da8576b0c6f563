package ipc_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

// word and setWord are for marks that several processes write under a lock.
func word(marks []byte, i int) uint64       { return binary.LittleEndian.Uint64(marks[8*i:]) }
func setWord(marks []byte, i int, v uint64) { binary.LittleEndian.PutUint64(marks[8*i:], v) }

type countTask struct {
	Mutex            *ipc.Mutex
	Path             string
	Each, Goroutines int
}

func (in countTask) run(ctx context.Context, marks []byte) error {
	errs := make(chan error, in.Goroutines)
	for range in.Goroutines {
		go func() {
			for range in.Each {
				if err := in.Mutex.LockContext(ctx); err != nil {
					errs <- err
					return
				}
				setWord(marks, 0, word(marks, 0)+1)
				if err := in.Mutex.Release(); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var all error
	for range in.Goroutines {
		all = errors.Join(all, <-errs)
	}
	return all
}

var counting = futures.Define("test.counting", func(ctx context.Context, in countTask) (int, error) {
	marks, err := mapFile(in.Path)
	if err != nil {
		return 0, err
	}
	defer syscall.Munmap(marks)
	return 0, in.run(ctx, marks)
})

// party is what each participant of a chaos is given: the objects, and a number of its own,
// which no other life has.
type party struct {
	Kind string
	Life int
	Path string // words that the parties write

	Stop      *ipc.Event // set when they are to end
	Mutex     *ipc.Mutex
	Recursive *ipc.RecursiveMutex
	Semaphore *ipc.Semaphore
	Event     *ipc.Event
	Cond      *ipc.Cond
	Barrier   *ipc.Barrier
}

// parties is filled by the chaos of each object. It returns when Stop is set.
var parties = map[string]func(ctx context.Context, in party, marks []byte) (int, error){}

var partying = futures.Define("test.party", func(ctx context.Context, in party) (int, error) {
	marks, err := mapFile(in.Path)
	if err != nil {
		return 0, err
	}
	defer syscall.Munmap(marks)
	return parties[in.Kind](ctx, in, marks)
})

// storm runs so many parties, each in a process of its own, and kills one of them at random
// again and again; who died is followed by another one. It goes on until the parties' own
// words say that they have done 5000 things more since the last kill. It returns how many died.
func storm(t *testing.T, workers, kills int, in party, marks []byte, env ...string) (died int) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	pool, err := procpool.New(procpool.Options{Workers: workers, Stderr: discard, Logger: quiet, Name: "storm", Env: env})
	ok(t, "pool", err)
	defer pool.Close()
	in.Stop = made[*ipc.Event](t)(ipc.NewEvent())
	var mu sync.Mutex
	life := 0
	next := func() int {
		mu.Lock()
		defer mu.Unlock()
		life++
		return life - 1
	}
	var wg sync.WaitGroup
	failed := make(chan struct{})
	var once sync.Once
	for range workers {
		wg.Go(func() {
			for {
				in := in
				in.Life = next()
				_, err := partying.Submit(t.Context(), pool, in).Result(t.Context())
				if _, crashed := errors.AsType[*futures.CrashError](err); crashed {
					mu.Lock()
					died++
					mu.Unlock()
					if !in.Stop.IsSet() {
						continue
					}
					return
				}
				if err != nil {
					t.Errorf("life %d: %v", in.Life, err)
					once.Do(func() { close(failed) })
				}
				return
			}
		})
	}
	killed := make(map[int]bool)
	for len(killed) < kills {
		select {
		case <-failed:
			kills = 0
		case <-time.After(time.Duration(500+random.IntN(4000)) * time.Microsecond):
		}
		var all []inspect.Worker
		for _, w := range pool.Inspect().Workers {
			if w.State == inspect.Busy && !killed[w.PID] {
				all = append(all, w)
			}
		}
		if len(all) == 0 {
			continue
		}
		if pid := all[random.IntN(len(all))].PID; syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed[pid] = true
		}
	}
	for _, v := range env { // somebody has died at the point
		once, is := strings.CutPrefix(v, "FUTURES_DIE_ONCE=")
		for is && !t.Failed() {
			if _, err := os.Stat(once); err != nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	for enough := done(marks) + 5000; done(marks) < enough && !t.Failed(); {
		time.Sleep(time.Millisecond)
	}
	ok(t, "stop", in.Stop.Set())
	wg.Wait()
	return died
}

// storms runs a storm with kills, and one without: kills hide lost wake-ups.
func storms(t *testing.T, run func(t *testing.T, kills int, env ...string)) {
	n := kills(150)
	t.Run(fmt.Sprintf("%d kills", n), func(t *testing.T) { run(t, n) })
	t.Run("quiet", func(t *testing.T) { run(t, 0) })
}

// lifeWord is where the parties' own words begin: one for each life.
const lifeWord = 8

// going reports whether a party is to go on.
func going(ctx context.Context, in party) bool { return ctx.Err() == nil && !in.Stop.IsSet() }

// done returns the sum of the parties' own words.
func done(marks []byte) (sum uint64) {
	for i := lifeWord; i < len(marks)/8; i++ {
		sum += word(marks, i)
	}
	return sum
}

// did counts in the own word of a party; one goroutine of it does.
func did(in party, marks []byte) {
	setWord(marks, lifeWord+in.Life, word(marks, lifeWord+in.Life)+1)
}

// lifeWords returns how many words there must be.
func lifeWords(kills int) int { return lifeWord + kills + 64 }

func init() {
	parties["mutex"] = func(ctx context.Context, in party, marks []byte) (int, error) {
		return countUp(ctx, in, marks, func(fn func(died bool) error) error { return in.Mutex.With(ctx, fn) })
	}
	parties["recursive"] = func(ctx context.Context, in party, marks []byte) (int, error) {
		return countUp(ctx, in, marks, func(fn func(died bool) error) error {
			return in.Recursive.With(ctx, me, func(died bool) error {
				return in.Recursive.With(ctx, me, func(again bool) error {
					if died != again || in.Recursive.Depth(me) != 2 {
						return fmt.Errorf("told %t and %t, depth %d", died, again, in.Recursive.Depth(me))
					}
					return fn(died)
				})
			})
		})
	}
}

// countUp counts, under a lock, in a word that all have and in one of its own. They disagree
// only when who had the lock has died with it, and then the next is told.
func countUp(ctx context.Context, in party, marks []byte, with func(func(died bool) error) error) (int, error) {
	for n := 0; going(ctx, in); n++ {
		err := with(func(died bool) error {
			if died {
				setWord(marks, 1, word(marks, 1)+1)
				setWord(marks, 0, done(marks))
			} else if n%16 == 0 && word(marks, 0) != done(marks) {
				return fmt.Errorf("%d in all, and %d by the parties", word(marks, 0), done(marks))
			}
			setWord(marks, 0, word(marks, 0)+1)
			did(in, marks)
			return nil
		})
		if err != nil {
			return n, err
		}
	}
	return 0, nil
}

// countStorm ends with last, which takes the lock and reports whether its owner had died.
func countStorm(t *testing.T, kills int, in party, last func() bool, env ...string) {
	path, marks := newMarks(t, 8*lifeWords(kills))
	in.Path = path
	died := storm(t, 3, kills, in, marks, env...)
	told := last()
	sum := done(marks)
	if total := word(marks, 0); total != sum && !told {
		t.Errorf("%d in all, and %d by the parties", total, sum)
	}
	t.Logf("%d increments, %d died, %d with the lock", sum, died, word(marks, 1))
}

// TestMutexStorm: L1: each increment under the lock counts, and what a dead owner has left half
// done is told.
func TestMutexStorm(t *testing.T) { storms(t, mutexStorm) }

func mutexStorm(t *testing.T, kills int, env ...string) {
	m := made[*ipc.Mutex](t)(ipc.NewMutex())
	countStorm(t, kills, party{Kind: "mutex", Mutex: m}, func() bool {
		return errors.Is(m.LockContext(t.Context()), ipc.ErrOwnerDied)
	}, env...)
}

// TestRecursiveStorm: L2, likewise.
func TestRecursiveStorm(t *testing.T) { storms(t, recursiveStorm) }

func recursiveStorm(t *testing.T, kills int, env ...string) {
	m := made[*ipc.RecursiveMutex](t)(ipc.NewRecursiveMutex())
	countStorm(t, kills, party{Kind: "recursive", Recursive: m}, func() bool {
		return errors.Is(m.Lock(t.Context(), me), ipc.ErrOwnerDied)
	}, env...)
}
