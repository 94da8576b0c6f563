package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/futures-go/futures/cluster/internal/certtest"
	"github.com/futures-go/futures/cluster/internal/filelock"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// serverPatience bounds each wait for what must happen.
const serverPatience = 30 * time.Second

// startServer starts a server, until the test ends.
func startServer(t testing.TB, options ServerOptions) *Server {
	t.Helper()
	if options.Logger == nil {
		options.Logger = quiet
	}
	s, err := StartServer(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// connectTo connects to a server in a role, until the test ends.
func connectTo(t testing.TB, c Connection, role stream.Role) *stream.Conn {
	t.Helper()
	conn, err := c.connect(t.Context(), role, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// store publishes a message and returns what became of it.
func store(t testing.TB, conn *stream.Conn, subject string) error {
	t.Helper()
	p, err := conn.NewPublisher()
	if err != nil {
		t.Fatal(err)
	}
	outcome := make(chan error, 1)
	if err := p.Publish(subject, "", nil, []byte("x"), func(_ uint64, err error) { outcome <- err }); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-outcome:
		return err
	case <-time.After(serverPatience):
		t.Fatalf("nothing became of %s", subject)
		return nil
	}
}

// temporary has temporary folders made in a folder that is returned.
func temporary(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir)
	return dir
}

// nothingIn fails if there is something in a folder.
func nothingIn(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("left behind: %s", e.Name())
	}
}

// TestServerTemporary (CL6) has a server leave nothing.
func TestServerTemporary(t *testing.T) {
	tmp := temporary(t)
	s, err := StartServer(ServerOptions{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if s.URL() != "" || filepath.Dir(s.StoreDir()) != tmp || !strings.HasPrefix(s.Name(), "futures-") {
		t.Errorf("URL %q, StoreDir %q, Name %q", s.URL(), s.StoreDir(), s.Name())
	}
	conn, err := Connection{Server: s}.connect(t.Context(), stream.Client, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Setup(t.Context(), stream.Layout{}); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	nothingIn(t, tmp)
	if _, err := (Connection{Server: s}).connect(t.Context(), stream.Client, quiet); err == nil {
		t.Error("connected to a server that is closed")
	}
}

// TestServerStoreDir has what was acknowledged survive, and the folder used by one server
// at a time.
func TestServerStoreDir(t *testing.T) {
	tmp := temporary(t)
	options := ServerOptions{Name: "one", StoreDir: filepath.Join(t.TempDir(), "new", "store"), Listen: "127.0.0.1:0", Logger: quiet}
	first := startServer(t, options)
	if u := first.URL(); !strings.HasPrefix(u, "nats://127.0.0.1:") || first.Name() != "one" {
		t.Errorf("URL %q, Name %q", u, first.Name())
	}
	conn := connectTo(t, Connection{URL: first.URL()}, stream.Client)
	if err := conn.Setup(t.Context(), stream.Layout{}); err != nil {
		t.Fatal(err)
	}
	subject := conn.Names.Task("q", 0, "me", 1, -1)
	if err := store(t, conn, subject); err != nil {
		t.Fatal(err)
	}
	conn.Close()

	if _, err := StartServer(options); !errors.Is(err, filelock.ErrLocked) || !strings.Contains(err.Error(), options.StoreDir) {
		t.Errorf("a second server: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := startServer(t, options)
	conn = connectTo(t, Connection{Server: second}, stream.Client)
	if s, err := conn.GetLast(t.Context(), conn.Names.Tasks(), subject); err != nil || string(s.Data) != "x" {
		t.Errorf("%+v, %v", s, err)
	}
	nothingIn(t, tmp)
}

func TestServerRefuses(t *testing.T) {
	tmp := temporary(t)
	serverTLS, _ := certtest.New(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for says, o := range map[string]ServerOptions{
		"Listen":                    {Listen: "127.0.0.1"},
		"Listen: lookup tcp/port":   {Listen: "127.0.0.1:port"},
		"TLS without Listen":        {TLS: serverTLS},
		"negative":                  {MaxStore: -1},
		"Durability(17)":            {Durability: 17},
		"contains a space":          {Name: "a b"},
		"not a directory":           {StoreDir: filepath.Join(file, "x")},
		taken.Addr().String():       {Listen: taken.Addr().String()},
		`user "eve": want Name`:     {Users: []User{{Name: "eve", Role: ClientRole}}},
		`user "UAX": want Name`:     {Users: []User{{NKey: "UAX", Password: "x", Role: ClientRole}}},
		`user "eve": Role 0`:        {Users: []User{{Name: "eve", Password: "x"}}},
		`user "eve": namespace "."`: {Users: []User{{Name: "eve", Password: "x", Namespace: ".", Role: BothRoles}}},
		"Peers.Name":                {Peers: &Peers{Listen: "127.0.0.1:0"}},
		"Peers.Listen":              {Peers: &Peers{Name: "c"}},
		"Peers.Routes":              {Peers: &Peers{Name: "c", Listen: "127.0.0.1:0", Routes: []string{"x"}}},
		"a node with a StoreDir":    {StoreDir: t.TempDir(), Peers: &Peers{Name: "c", Listen: "127.0.0.1:0"}},
	} {
		t.Run(says, func(t *testing.T) {
			o.Logger = quiet
			s, err := StartServer(o)
			if err == nil {
				t.Fatal(errors.Join(errors.New("it started"), s.Close()))
			}
			t.Log(err)
			if !strings.HasPrefix(err.Error(), "cluster.StartServer: ") || !strings.Contains(err.Error(), says) {
				t.Errorf("%q is not in: %v", says, err)
			}
			nothingIn(t, tmp)
		})
	}
}

func TestDurability(t *testing.T) {
	for _, c := range []struct {
		durability   Durability
		dir          string
		sync, memory bool
		text         string
	}{
		{DefaultDurability, "", false, false, "default"},
		{DefaultDurability, "dir", true, false, "default"},
		{Process, "dir", false, false, "process"},
		{Disk, "", true, false, "disk"},
		{Memory, "", false, true, "memory"},
	} {
		o := ServerOptions{Durability: c.durability, StoreDir: c.dir}
		n, err := o.server()
		if err != nil || n.SyncAlways != c.sync || (o.Durability == Memory) != c.memory || c.durability.String() != c.text {
			t.Errorf("%v in %q: %+v, %v", c.durability, c.dir, n, err)
		}
		if !n.NoSigs || !n.DontListen || n.JetStreamMaxStore != defaultMaxStore || n.JetStreamMaxMemory != defaultMaxMemory {
			t.Errorf("%+v", n)
		}
	}
}

// TestServerTLS has clients with the right trust connect, and those in this process,
// which have no use for it.
func TestServerTLS(t *testing.T) {
	serverTLS, clientTLS := certtest.New(t)
	s := startServer(t, ServerOptions{Listen: "127.0.0.1:0", TLS: serverTLS, Users: []User{{Name: "u", Password: "p", Role: ClientRole}}})
	connectTo(t, Connection{URL: s.URL(), TLS: clientTLS, User: "u", Password: "p"}, stream.Client)
	connectTo(t, Connection{Server: s}, stream.Client)
	for says, c := range map[string]Connection{
		"certificate": {URL: s.URL(), User: "u", Password: "p"},
		"refused":     {URL: s.URL(), TLS: clientTLS, User: "u", Password: "q"},
	} {
		if _, err := c.connect(t.Context(), stream.Client, quiet); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", says, err)
		}
	}
	// Who is of this process is known by where the connection comes from.
	c := Connection{URL: s.URL(), TLS: clientTLS, User: s.user, Password: s.password}
	if _, err := c.connect(t.Context(), stream.Client, quiet); err == nil {
		t.Error("the user of this process connects from outside")
	}
}

// lines are the messages of a log.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(b))
	return len(b), nil
}

func TestServerLog(t *testing.T) {
	var out lines
	l := newServerLog(slog.New(slog.NewTextHandler(&out, nil)), "one")
	now := time.Unix(0, 0)
	l.now = func() time.Time { return now }
	for i := range 3 * logBurst {
		l.Warnf("kind %d", i)
	}
	l.Noticef("not told, as it is no warning")
	l.Errorf("another kind")
	now = now.Add(logPeriod)
	l.Warnf("kind %d", 100)
	l.Fatalf("the last")
	if len(out.all) != logBurst+3 {
		t.Fatalf("%d messages: %q", len(out.all), out.all)
	}
	for i, want := range map[int]string{
		0:            `level=WARN msg="cluster: server" server=one text="kind 0"`,
		logBurst:     `level=ERROR msg="cluster: server" server=one text="another kind"`,
		logBurst + 1: fmt.Sprintf(`text="kind 100" left_out=%d`, 2*logBurst),
		logBurst + 2: `level=ERROR`,
	} {
		if !strings.Contains(out.all[i], want) {
			t.Errorf("message %d: %s, want %s", i, out.all[i], want)
		}
	}
	for i := range 2 * logKinds {
		l.admit(fmt.Sprint(i))
	}
	if len(l.kinds) > logKinds {
		t.Errorf("%d kinds are kept", len(l.kinds))
	}
}
