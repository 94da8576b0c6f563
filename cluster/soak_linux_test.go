package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// sample is what is in use at one moment.
type sample struct {
	at         time.Duration
	done       int64 // tasks since the start
	client     int64 // bytes of resident memory
	server     int64
	workers    int64
	disk       int64 // bytes of the store's files
	goroutines int64 // of the client
}

// quantities are what must not grow, each with how much it may vary: what buffers, garbage
// and the store's blocks come to, which have no part in how long it runs.
var quantities = []struct {
	name   string
	of     func(s *sample) int64
	margin int64
}{
	{"client", func(s *sample) int64 { return s.client }, 64 << 20},
	{"server", func(s *sample) int64 { return s.server }, 64 << 20},
	{"workers", func(s *sample) int64 { return s.workers }, 64 << 20},
	{"disk", func(s *sample) int64 { return s.disk }, 48 << 20},
	{"goroutines", func(s *sample) int64 { return s.goroutines }, 200},
}

// TestSoak has a server, two workers and a client under full load, with all kinds of tasks, and
// looks whether memory, files and goroutines grow: the median of the last third of the samples
// must not be above that of the first third by more than a tenth and a margin (CL6, CL8).
//
// FUTURES_SOAK is for how long, as in 10m. A server's memory grows until it has been at work for as
// long as it knows the ids of messages: it is looked at in runs that are five times as long.
func TestSoak(t *testing.T) {
	duration := 6 * time.Second
	if d, err := time.ParseDuration(os.Getenv("FUTURES_SOAK")); err == nil {
		duration = d
	} else if testing.Short() {
		t.Skip("-short: it takes seconds")
	}
	s := playServerProcess(t, part{})
	var workers []*process
	for range 2 {
		workers = append(workers, play(t, "faults.worker", part{URL: s.url(), Workers: 4}))
	}
	p := client(t, Options{Connection: Connection{URL: s.url()}, Queue: 4096})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var done atomic.Int64
	var callers sync.WaitGroup
	for range 512 {
		callers.Go(func() { soak(ctx, t, p, &done) })
	}
	began := time.Now()
	take := func() (now sample) {
		now = sample{at: time.Since(began), done: done.Load(), client: resident(t, os.Getpid()), server: resident(t, s.pid()), goroutines: int64(runtime.NumGoroutine())}
		for _, w := range workers {
			now.workers += resident(t, w.pid())
		}
		now.disk = diskUse(t, s.part.Dir)
		return now
	}
	const count = 60
	var samples []sample
	ticker := time.NewTicker(duration / count)
	defer ticker.Stop()
	for len(samples) < count {
		<-ticker.C
		samples = append(samples, take())
	}
	stop()
	callers.Wait()
	samples = samples[count/10:] // buffers have their sizes then
	t.Log("\n" + table(samples))
	third := len(samples) / 3
	for _, q := range quantities {
		if q.name == "server" && duration < 5*stream.DuplicateWindow {
			continue // it keeps the ids of that time, so until then it must grow
		}
		first, last := median(samples[:third], q.of), median(samples[2*third:], q.of)
		if last > first+first/10+q.margin {
			t.Errorf("%s: %d in the first third, %d in the last", q.name, first, last)
		}
	}
	// Epochs are purged, and so is everything else.
	names := p.conn.Names
	eventually(t, "no results but claims", func() bool { return int(stored(t, p, names.Results())) == claims(t, p) })
	for _, name := range []string{names.Later(), names.Blobs(), names.Dead()} {
		eventually(t, name+" to be empty", func() bool { return stored(t, p, name) == 0 })
	}
	eventually(t, "nothing but the sentinel", func() bool { return stored(t, p, names.Tasks()) == 1 })
	if end := take(); end.disk > 64<<20 {
		t.Errorf("%d bytes of files for nothing", end.disk)
	}
}

// claims returns how many claims of tasks that run at most once are stored.
func claims(t *testing.T, p *Pool) int {
	t.Helper()
	filter := `{"subjects_filter":"` + p.conn.Names.ResultFilter(p.client, claimEpoch) + `"}`
	data, err := p.conn.Call(t.Context(), "$JS.API.STREAM.INFO."+p.conn.Names.Results(), []byte(filter))
	var info struct {
		State struct{ Subjects map[string]int }
	}
	if err == nil {
		err = json.Unmarshal(data, &info)
	}
	if err != nil {
		t.Fatal(err)
	}
	return len(info.State.Subjects)
}

// soak submits tasks, one after the other: mostly short ones of a chunk, and some of each other
// kind.
func soak(ctx context.Context, t *testing.T, p *Pool, done *atomic.Int64) {
	argument := make([]byte, 64)
	for ctx.Err() == nil {
		var err error
		switch n := rand.IntN(10000); {
		case n < 3: // in parts
			var v int
			if v, err = length.Submit(t.Context(), p, make([]byte, 300<<10)).Result(t.Context()); v != 300<<10 && err == nil {
				err = fmt.Errorf("%d bytes", v)
			}
		case n < 10: // delayed, on the server
			_, err = twice.Submit(t.Context(), p, n, futures.Delay(600*time.Millisecond)).Result(t.Context())
		case n < 100: // cancelled
			twice.Submit(t.Context(), p, n).Cancel()
		case n < 200: // at most once
			_, err = twice.Submit(t.Context(), p, n, futures.Retry(futures.RetryPolicy{})).Result(t.Context())
		case n < 300: // long
			_, err = pause.Submit(t.Context(), p, time.Duration(rand.IntN(5))*time.Millisecond).Result(t.Context())
		default:
			var v int
			if v, err = length.Submit(t.Context(), p, argument).Result(t.Context()); v != len(argument) && err == nil {
				err = fmt.Errorf("length %d", v)
			}
		}
		if err != nil {
			t.Error(err)
			return
		}
		done.Add(1)
	}
}

// pause takes a while.
var pause = futures.Define("faults.pause", func(ctx context.Context, d time.Duration) (int, error) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	return 0, ctx.Err()
})

// table is what the samples say, a line for each tenth.
func table(samples []sample) string {
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "after\ttasks\ttasks/s\tclient MB\tserver MB\tworkers MB\tdisk MB\tgoroutines\t")
	step := max(1, len(samples)/18)
	var before sample
	for i := step - 1; i < len(samples); i += step {
		s := samples[i]
		rate := float64(s.done-before.done) / (s.at - before.at).Seconds()
		mb := func(n int64) string { return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) }
		fmt.Fprintf(w, "%v\t%d\t%.0f\t%s\t%s\t%s\t%s\t%d\t\n", s.at.Round(100*time.Millisecond), s.done, rate, mb(s.client), mb(s.server), mb(s.workers), mb(s.disk), s.goroutines)
		before = s
	}
	_ = w.Flush() // to memory
	return out.String()
}

func median(samples []sample, of func(*sample) int64) int64 {
	var all []int64
	for i := range samples {
		all = append(all, of(&samples[i]))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// resident returns a process's resident memory in bytes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(data))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// diskUse returns the length of all files in a folder, from which others vanish meanwhile.
func diskUse(t *testing.T, dir string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}
