package stream

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/futures-go/futures/cluster/internal/certtest"
)

// write makes a file.
func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConnectErrors(t *testing.T) {
	serverTLS, clientTLS := certtest.New(t)
	open := startNode(t, nil)
	plain := startNode(t, func(o *server.Options) { o.JetStream = false })
	guarded := startNode(t, func(o *server.Options) { o.Username, o.Password = "eve", "secret" })
	secure := startNode(t, func(o *server.Options) { o.TLS, o.TLSConfig, o.TLSTimeout = true, serverTLS, 5 })
	tokens := startNode(t, func(o *server.Options) { o.Authorization = "s3cret" })
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	nkey := write(t, "seed.nk", string(seed))

	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}

	for name, c := range map[string]struct {
		config Config
		says   []string
		is     error
	}{
		"nobody listens":     {Config{URL: "nats://" + nobody}, []string{nobody, "connection refused"}, nil},
		"several":            {Config{URL: "nats://" + nobody + ", nats://" + nobody}, []string{nobody, "connection refused"}, nil},
		"no host":            {Config{URL: "nats://no-such-host.invalid:4222"}, []string{"no-such-host.invalid"}, nil},
		"no URL":             {Config{}, []string{"no URL"}, nil},
		"malformed":          {Config{URL: "nats://127.0.0.1:port"}, []string{"port"}, nil},
		"namespace":          {Config{URL: open.ClientURL(), Namespace: "a.b"}, []string{"namespace", "a.b"}, nil},
		"no JetStream":       {Config{URL: plain.ClientURL()}, []string{plain.ClientURL(), "no JetStream"}, ErrNoJetStream},
		"no user":            {Config{URL: guarded.ClientURL()}, []string{guarded.ClientURL(), "refused"}, nats.ErrAuthorization},
		"wrong password":     {Config{URL: guarded.ClientURL(), User: "eve", Password: "hidden"}, []string{"user eve", "refused"}, nats.ErrAuthorization},
		"in the URL":         {Config{URL: strings.Replace(guarded.ClientURL(), "://", "://eve:hidden@", 1)}, []string{"eve", "refused"}, nats.ErrAuthorization},
		"token in the URL":   {Config{URL: strings.Replace(tokens.ClientURL(), "://", "://hidden@", 1)}, []string{"refused"}, nats.ErrAuthorization},
		"wrong token":        {Config{URL: tokens.ClientURL(), Token: "hidden"}, []string{"token", "refused"}, nats.ErrAuthorization},
		"unknown key":        {Config{URL: guarded.ClientURL(), NKeyFile: nkey}, []string{nkey}, nil},
		"no key file":        {Config{URL: guarded.ClientURL(), NKeyFile: nkey + ".missing"}, []string{"NKeyFile", nkey + ".missing"}, os.ErrNotExist},
		"no credentials":     {Config{URL: guarded.ClientURL(), CredentialsFile: nkey + ".missing"}, []string{"CredentialsFile", nkey + ".missing"}, os.ErrNotExist},
		"not credentials":    {Config{URL: guarded.ClientURL(), CredentialsFile: write(t, "x.creds", "nothing")}, []string{"credentials of", "x.creds"}, nil},
		"two kinds":          {Config{URL: guarded.ClientURL(), User: "eve", Token: "hidden"}, []string{"more than one"}, nil},
		"TLS is not offered": {Config{URL: open.ClientURL(), TLS: clientTLS}, []string{open.ClientURL(), "TLS"}, nats.ErrSecureConnWanted},
		"TLS not trusted":    {Config{URL: secure.ClientURL()}, []string{secure.ClientURL(), "certificate"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Role, c.config.Logger = Client, slog.New(slog.DiscardHandler)
			conn, err := Connect(t.Context(), c.config)
			if err == nil {
				conn.Close()
				t.Fatal("connected")
			}
			t.Log(err)
			for _, says := range c.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%q is not in: %v", says, err)
				}
			}
			if strings.Contains(err.Error(), "hidden") {
				t.Errorf("a secret is in: %v", err)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
		})
	}
}

func TestConnectCancelled(t *testing.T) {
	// A server that accepts and says nothing.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			accepted <- c
			cancel()
		}
	}()
	_, err = Connect(ctx, Config{URL: "nats://" + l.Addr().String(), Role: Client, Logger: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error", err)
	}
	if err := receive(t, accepted).Close(); err != nil {
		t.Error(err)
	}
}

func TestConnectWith(t *testing.T) {
	serverTLS, clientTLS := certtest.New(t)
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	public, err := user.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		server func(*server.Options)
		client func(*Config)
	}{
		"nothing":  {func(*server.Options) {}, func(*Config) {}},
		"password": {func(o *server.Options) { o.Username, o.Password = "u", "p" }, func(c *Config) { c.User, c.Password = "u", "p" }},
		"token":    {func(o *server.Options) { o.Authorization = "t" }, func(c *Config) { c.Token = "t" }},
		"key":      {func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} }, func(c *Config) { c.NKeyFile = write(t, "s", string(seed)) }},
		"TLS":      {func(o *server.Options) { o.TLS, o.TLSConfig, o.TLSTimeout = true, serverTLS, 5 }, func(c *Config) { c.TLS = clientTLS }},
	} {
		t.Run(name, func(t *testing.T) {
			n := startNode(t, c.server)
			conn := n.connect(t, c.client)
			if err := conn.Fence(t.Context()); err != nil {
				t.Error(err)
			}
			if conn.MaxPayload() != server.MAX_PAYLOAD_SIZE {
				t.Errorf("MaxPayload: %d", conn.MaxPayload())
			}
		})
	}
}

func TestConnectInProcess(t *testing.T) {
	n := startNode(t, func(o *server.Options) { o.DontListen = true })
	c := n.connect(t, func(c *Config) { c.URL, c.InProcess = "", n.pipes })
	setup(t, c, Layout{})
	publish(t, newPublisher(t, c), c.Names.Keep("me"), "", "x")
	if !strings.Contains(c.Where(), "in this process") {
		t.Errorf("Where: %s", c.Where())
	}
}

func TestWithoutPasswords(t *testing.T) {
	for urls, want := range map[string]string{
		"":                           "",
		"nats://a:1":                 "nats://a:1",
		"nats://u:p@a:1, nats://t@b": "nats://u:xxxxx@a:1,nats://xxxxx@b",
		"a:1":                        "nats://a:1",
		"nats://u:p@a:x":             "...a:x",
		"u:p@a:1":                    "nats://u:xxxxx@a:1",
	} {
		if got := withoutPasswords(urls); got != want {
			t.Errorf("%q: %q, want %q", urls, got, want)
		}
	}
}

// TestMaxPayloadChanges restarts a server that takes longer messages, or shorter ones.
func TestMaxPayloadChanges(t *testing.T) {
	n := startNode(t, nil)
	c := n.connect(t, nil)
	for _, limit := range []int32{4 << 10, 2 << 20} {
		n.options.MaxPayload = limit
		n.restart(t)
		until(t, "the new limit is known", func() bool { return c.MaxPayload() == int64(limit) })
	}
}
