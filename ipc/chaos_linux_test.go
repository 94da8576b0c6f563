package ipc_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

// kills returns how many kills a test makes: few, or FUTURES_KILLS; a fifth with -short, which
// the comparison with the parity table uses.
func kills(few int) int {
	if testing.Short() {
		few /= 5
	}
	if n, err := strconv.Atoi(os.Getenv("FUTURES_KILLS")); err == nil {
		return n
	}
	return few
}

// mapFile maps a file that several processes write.
func mapFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
}

func newMarks(t *testing.T, n int) (path string, marks []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "marks")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(n)); err != nil {
		t.Fatal(err)
	}
	marks, err := mapFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(marks) })
	return path, marks
}

// A producer of the chaos puts items that name it and count; each life of one has a number.
type chaosItem struct{ Life, N int }

type chaosTask struct {
	Queue *ipc.Queue[chaosItem]
	Marks string // two bytes for each item: how often it was put, and taken
	Life  int
	Stop  *ipc.Queue[struct{}] // closed when producers are to end
}

const (
	lifeItems = 1 << 14 // items that a life puts at most
)

var chaosPut = futures.Define("test.chaosPut", func(ctx context.Context, in chaosTask) (int, error) {
	marks, err := mapFile(in.Marks)
	if err != nil {
		return 0, err
	}
	defer syscall.Munmap(marks)
	for n := range lifeItems {
		if _, err := in.Stop.TryGet(); errors.Is(err, ipc.ErrClosed) {
			return n, nil
		}
		if err := in.Queue.Put(ctx, chaosItem{in.Life, n}); err != nil {
			return n, err
		}
		marks[2*(in.Life*lifeItems+n)]++
	}
	return lifeItems, nil
})

var chaosTake = futures.Define("test.chaosTake", func(ctx context.Context, in chaosTask) (int, error) {
	marks, err := mapFile(in.Marks)
	if err != nil {
		return 0, err
	}
	defer syscall.Munmap(marks)
	last := make(map[int]int)
	taken := 0
	for item, err := range in.Queue.All(ctx) {
		if err != nil {
			return taken, err
		}
		if before, ok := last[item.Life]; ok && item.N <= before {
			return taken, errors.New("item " + strconv.Itoa(item.N) + " after " + strconv.Itoa(before))
		}
		last[item.Life] = item.N
		marks[2*(item.Life*lifeItems+item.N)+1]++
		taken++
	}
	return taken, nil
})

// TestQueueChaos: Q1, Q2: producers and consumers are killed at random; the others go on, each item
// arrives once and in order, and no more are lost than processes died. And the same without
// kills, which hide lost wake-ups.
func TestQueueChaos(t *testing.T) {
	for _, size := range []int{4 << 10, 64 << 10} {
		for _, n := range []int{kills(150) / 2, 0} {
			t.Run(strconv.Itoa(size)+" bytes, "+strconv.Itoa(n)+" kills", func(t *testing.T) { chaos(t, size, n) })
		}
	}
}

// chaos returns how many processes died. The workers get env too.
func chaos(t *testing.T, size, kills int, env ...string) (deaths int) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	lives := kills + 20
	path, marks := newMarks(t, 2*lives*lifeItems)
	pool, err := procpool.New(procpool.Options{Workers: 4, Stderr: discard, Logger: quiet, Name: "chaos", Env: env})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	queue, err := ipc.NewQueue[chaosItem](ipc.QueueOptions{Bytes: size})
	if err != nil {
		t.Fatal(err)
	}
	stop, err := ipc.NewQueue[struct{}](ipc.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	var life atomic.Int64
	var ended atomic.Bool
	var died [2]atomic.Int64 // producers, consumers
	// Who dies is followed by another one.
	keep := func(which int, run *futures.Func[chaosTask, int]) {
		for {
			task := chaosTask{Queue: queue, Marks: path, Stop: stop}
			if which == 0 {
				if ended.Load() {
					return
				}
				if task.Life = int(life.Add(1)) - 1; task.Life >= lives {
					return
				}
			}
			_, err := run.Submit(ctx, pool, task).Result(ctx)
			_, crashed := errors.AsType[*futures.CrashError](err)
			switch {
			case crashed:
				died[which].Add(1)
			case errors.Is(err, ipc.ErrGone) && ended.Load():
				return // closed, drained, and given back
			case err != nil:
				t.Errorf("life %d: %v", task.Life, err)
				return
			case which == 1:
				return // closed and drained
			}
		}
	}
	var producers, consumers sync.WaitGroup
	for range 2 {
		producers.Go(func() { keep(0, chaosPut) })
		consumers.Go(func() { keep(1, chaosTake) })
	}
	killed := 0
	for killed < kills {
		time.Sleep(time.Duration(1000+random.IntN(5000)) * time.Microsecond)
		var busy []inspect.Worker
		for _, w := range pool.Inspect().Workers {
			if w.State == inspect.Busy {
				busy = append(busy, w)
			}
		}
		if len(busy) == 0 {
			continue
		}
		if syscall.Kill(busy[random.IntN(len(busy))].PID, syscall.SIGKILL) == nil {
			killed++
		}
		if life.Load() >= int64(lives) {
			break
		}
	}
	if kills == 0 {
		for life.Load() < 10 {
			time.Sleep(time.Millisecond)
		}
	}
	ended.Store(true)
	_ = stop.Close()
	producers.Wait()
	_ = queue.Close()
	consumers.Wait()

	items, lost := 0, 0
	for i := range len(marks) / 2 {
		put, taken := marks[2*i], marks[2*i+1]
		switch {
		case put > 1 || taken > 1:
			t.Errorf("item %d of life %d was put %d times and taken %d times", i%lifeItems, i/lifeItems, put, taken)
		case put == 1 && taken == 0:
			lost++
		case taken == 1:
			items++
		}
	}
	t.Logf("%d items, %d lost; %d producers and %d consumers died", items, lost, died[0].Load(), died[1].Load())
	if lost > int(died[1].Load()) {
		t.Errorf("%d items lost, and only %d consumers died", lost, died[1].Load())
	}
	if n := queue.Len(); n != 0 {
		t.Errorf("%d left", n)
	}
	return int(died[0].Load() + died[1].Load())
}
