package cluster

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures"
)

// onlyHere is a function that no worker process has.
var onlyHere *futures.Func[int, int]

func init() {
	if os.Getenv("CLUSTER_TEST_ROLE") == "" {
		onlyHere = futures.Define("faults.only-here", func(context.Context, int) (int, error) { return 0, nil })
	}
}

// length returns the length of what it is given.
var length = futures.Define("faults.length", func(_ context.Context, b []byte) (int, error) { return len(b), nil })

// names reports what is missing in the text of an error.
func names(t *testing.T, err error, all ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", all)
		return
	}
	for _, s := range all {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q is not in: %v", s, err)
		}
	}
}

// TestUnknownFunction: a function that the worker's program does not have fails its task, which
// names it, and no other.
func TestUnknownFunction(t *testing.T) {
	ctx := patient(t)
	s := served(t, ServerOptions{})
	p := client(t, on(s))
	play(t, "faults.worker", part{URL: s.URL(), Workers: 2})
	before, bad, after := twice.Submit(ctx, p, 1), onlyHere.Submit(ctx, p, 2), twice.Submit(ctx, p, 3)
	_, err := bad.Result(ctx)
	names(t, err, onlyHere.Name(), "not registered")
	if !errors.Is(err, futures.ErrNotRegistered) {
		t.Errorf("%v is not ErrNotRegistered", err)
	}
	for n, f := range map[int]*futures.Future[int]{1: before, 3: after} {
		if v, err := f.Result(ctx); v != 2*n || err != nil {
			t.Errorf("%d: %v, %v", n, v, err)
		}
	}
	if letters := lettersOf(t, p); len(letters) != 0 {
		t.Errorf("dead letters: %v", letters)
	}
}

// TestStoreIsFull: what a server has no room for fails, which names the function and the stream.
// What was stored before runs, and so does what comes when there is room again.
func TestStoreIsFull(t *testing.T) {
	for what, size := range map[string]int{"large": 100 << 10, "very large": 400 << 10, "small": 2 << 10} {
		t.Run(what, func(t *testing.T) {
			ctx := patient(t)
			s := served(t, ServerOptions{MaxStore: 4 << 20})
			p := client(t, on(s))
			var fit []*futures.Future[int]
			var err error
			for err == nil {
				f := length.Submit(ctx, p, make([]byte, size))
				if err := p.Flush(ctx); err != nil {
					t.Fatal(err)
				}
				if err = f.Err(); err == nil {
					fit = append(fit, f)
				}
				if len(fit) > 5<<20/size {
					t.Fatal("it is never full")
				}
			}
			t.Logf("%d fit, then: %v", len(fit), err)
			names(t, err, length.Name(), "storage")
			play(t, "faults.worker", part{URL: s.URL(), Workers: 2})
			for i, f := range fit {
				if v, err := f.Result(ctx); v != size || err != nil {
					t.Fatalf("%d, which was stored: %v, %v", i, v, err)
				}
			}
			eventually(t, "room for more", func() bool {
				v, err := length.Submit(ctx, p, make([]byte, size)).Result(ctx)
				return v == size && err == nil
			})
		})
	}
}

// TestLargerThanTheStore: an argument or a value for which there will never be room fails its task
// and no other.
func TestLargerThanTheStore(t *testing.T) {
	ctx := patient(t)
	s := served(t, ServerOptions{MaxStore: 4 << 20})
	p := client(t, on(s))
	play(t, "faults.worker", part{URL: s.URL(), Workers: 2})
	_, err := length.Submit(ctx, p, make([]byte, 8<<20)).Result(ctx)
	names(t, err, length.Name(), "storage")
	if v, err := twice.Submit(ctx, p, 4).Result(ctx); v != 8 || err != nil {
		t.Errorf("after an argument: %v, %v", v, err)
	}
	_, err = zeros.Submit(ctx, p, 8<<20).Result(ctx)
	names(t, err, zeros.Name(), "storage")
	eventually(t, "room for more", func() bool {
		v, err := length.Submit(ctx, p, make([]byte, 1<<20)).Result(ctx)
		return v == 1<<20 && err == nil
	})
}

var zeros = futures.Define("faults.zeros", func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil })

// TestRefusedConnections: who cannot connect is told where, and as whom.
func TestRefusedConnections(t *testing.T) {
	s := served(t, ServerOptions{Users: []User{
		{Name: "asks", Password: "right", Role: ClientRole},
		{Name: "works", Password: "right", Role: WorkerRole},
	}})
	good := Options{Connection: Connection{URL: s.URL(), User: "asks", Password: "right"}, Logger: quiet}
	p := client(t, good)
	nowhere := newProxy(t)
	nowhere.close()
	for what, c := range map[string]struct {
		connection Connection
		says       []string
	}{
		"no server":       {Connection{URL: nowhere.url()}, []string{nowhere.url(), "refused"}},
		"no host":         {Connection{URL: "nats://no-such-host.invalid:4222"}, []string{"no-such-host.invalid"}},
		"no port":         {Connection{URL: "nats://127.0.0.1:99999"}, []string{"127.0.0.1:99999"}},
		"wrong password":  {Connection{URL: s.URL(), User: "asks", Password: "wrong"}, []string{s.URL(), "asks", "refused"}},
		"no user":         {Connection{URL: s.URL()}, []string{s.URL(), "refused"}},
		"unknown user":    {Connection{URL: s.URL(), User: "eve", Password: "right"}, []string{s.URL(), "eve", "refused"}},
		"no key file":     {Connection{URL: s.URL(), NKeyFile: "no-such-file"}, []string{"no-such-file"}},
		"other namespace": {Connection{URL: s.URL(), User: "asks", Password: "right", Namespace: "other"}, []string{s.URL(), "fx.other."}},
	} {
		t.Run(what, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), faultPatience)
			defer stop()
			p, err := Connect(ctx, Options{Connection: c.connection, Logger: quiet})
			if err == nil {
				p.Close()
			}
			t.Log(err)
			names(t, err, append(c.says, "cluster.Connect: ")...)
			if text := c.connection.Password; text != "" && err != nil && strings.Contains(err.Error(), text) {
				t.Errorf("the password is in: %v", err)
			}
			err = Serve(ctx, ServeOptions{Connection: c.connection, Logger: quiet})
			names(t, err, append(c.says, "cluster.Serve: ")...)
			if ctx.Err() != nil {
				t.Error("it took until the context's end")
			}
		})
	}
	// Those who are connected are not hurt.
	works := part{URL: strings.Replace(s.URL(), "nats://", "nats://works:right@", 1), Workers: 1, Lease: time.Minute}
	play(t, "faults.worker", works)
	if v, err := twice.Submit(t.Context(), p, 1).Result(patient(t)); v != 2 || err != nil {
		t.Errorf("beside that: %v, %v", v, err)
	}
}
