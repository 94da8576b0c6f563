package cluster

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nuid"

	"github.com/futures-go/futures/cluster/internal/engine"
	"github.com/futures-go/futures/cluster/internal/filelock"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// Durability says what a server has done with a message when it acknowledges it.
type Durability int

const (
	// DefaultDurability is Disk if ServerOptions.StoreDir is set, and Process otherwise.
	DefaultDurability Durability = iota
	// Process: it is written to a file, which the system may keep in memory for two more minutes.
	// It survives the end of the process, also by SIGKILL, and not that of the machine's power.
	Process
	// Disk: it is written to a file and on the disk (fsync). Each message waits for that,
	// or each group of those that small tasks share.
	Disk
	// Memory: it is in memory, and is lost with the process. It holds for pools that are given the
	// server (Connection.Server); the streams that others make are as with Process.
	Memory
)

func (d Durability) String() string {
	if name, has := map[Durability]string{DefaultDurability: "default", Process: "process", Disk: "disk", Memory: "memory"}[d]; has {
		return name
	}
	return "Durability(" + strconv.Itoa(int(d)) + ")"
}

// ServerOptions says what server to start. The zero value is a server that only this
// process can reach, in a temporary folder.
type ServerOptions struct {
	// Name identifies the server, among those of its cluster too. Default: "futures-" and random
	// letters. A server that is started again with its StoreDir wants a fixed one
	// if it has Peers: they know it by its name.
	Name string

	// StoreDir is the folder for everything that is stored; it is made if it does not exist. Only one server
	// at a time can use it. Default: a temporary folder, which Close removes.
	StoreDir string

	Durability Durability

	// Listen is the address for clients and workers, as in "127.0.0.1:4222" or ":4222"; port 0 takes a free one.
	// Default: none, only this process can connect.
	Listen string

	// TLS makes connections on Listen TLS; it needs Certificates or GetCertificate. Demanding client certificates
	// is its matter (ClientAuth).
	TLS *tls.Config

	// Users are those who may connect, and as what. Default: everybody who can reach Listen may do
	// everything. Pools and workers of this process that are given the server need no user.
	Users []User

	MaxMemory int64 // bytes of streams that are in memory; default 256 MiB
	MaxStore  int64 // bytes of streams that are in files; default 4 GiB

	// Peers makes the server a node of a cluster. Default: it is alone.
	Peers *Peers

	Logger *slog.Logger // default slog.Default()
}

// A Role is what a User may do.
type Role int

const (
	ClientRole Role = 1 + iota // to submit tasks and have their results
	WorkerRole                 // to run tasks
	BothRoles
)

// A User may connect to a server, for one namespace. It has either a password or an
// NKey.
type User struct {
	Name, Password string
	NKey           string // a public key; its owner has the seed, in the file that is his Connection.NKeyFile
	Namespace      string // default "default"
	Role           Role
}

// Peers are the other nodes of a cluster.
type Peers struct {
	Name   string   // of the cluster, the same for all nodes
	Listen string   // the address for other nodes
	Routes []string // the Listen addresses of nodes; one's own may be among them

	// Whoever reaches Listen and has the password is a node, and reads and writes everything.
	User, Password string
	TLS            *tls.Config // for both sides of the connections between nodes
}

const (
	defaultMaxMemory = 256 << 20
	defaultMaxStore  = 4 << 30
	maxPending       = 256 << 20 // bytes that a connection may be behind before it is cut
)

// A Server is a NATS server with JetStream in this process.
type Server struct {
	options  ServerOptions
	engine   *engine.Engine
	pipes    *stream.Pipes
	lock     *filelock.Lock
	dir      string // StoreDir, or the temporary folder
	user     string // for connections from this process, if there are users
	password string

	close func() error // sync.OnceValue of shutdown
}

// StartServer starts a server. It returns when the server accepts connections; a node
// of a cluster may then still look for the others.
func StartServer(options ServerOptions) (*Server, error) {
	s := &Server{options: options}
	s.close = sync.OnceValue(s.shutdown)
	if err := s.start(); err != nil {
		err = fmt.Errorf("cluster.StartServer: %w", err)
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *Server) start() (err error) {
	o, err := s.options.server()
	if err != nil {
		return err
	}
	if err := s.claim(); err != nil {
		return err
	}
	o.StoreDir = s.dir
	if len(o.Users)+len(o.Nkeys) > 0 {
		// Whoever has the Server value could do everything anyway.
		s.user, s.password = "this process "+nuid.Next(), nuid.Next()+nuid.Next()
		o.Users = append(o.Users, &server.User{
			Username: s.user, Password: s.password,
			AllowedConnectionTypes: map[string]struct{}{jwt.ConnectionTypeInProcess: {}},
		})
	}
	log := newServerLog(cmp.Or(s.options.Logger, slog.Default()), o.ServerName)
	if s.engine, err = engine.Start(o, log); err != nil {
		return err
	}
	s.pipes = stream.NewPipes(s.engine)
	return nil
}

// claim makes the folder and locks it.
func (s *Server) claim() (err error) {
	if s.options.StoreDir == "" {
		s.dir, err = os.MkdirTemp("", "futures-server-")
	} else {
		s.dir, err = s.options.StoreDir, os.MkdirAll(s.options.StoreDir, 0o700)
	}
	if err != nil {
		return err
	}
	s.lock, err = filelock.Directory(s.dir)
	return err
}

// Close ends the server and removes its temporary folder. Everything that was
// acknowledged is in StoreDir then, where it has one. Nothing is left (CL6). Calling it
// again returns the same.
func (s *Server) Close() error { return s.close() }

func (s *Server) shutdown() (err error) {
	if s.engine != nil {
		s.engine.Stop()
		s.pipes.Wait()
	}
	if s.lock != nil {
		err = s.lock.Release()
	}
	if s.options.StoreDir == "" && s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// URL returns the URL for clients, or the empty string if the server does not listen.
func (s *Server) URL() string {
	if s.options.Listen == "" {
		return ""
	}
	return s.engine.ClientURL()
}

// Name returns the server's name.
func (s *Server) Name() string { return s.engine.Name() }

// StoreDir returns the folder of what is stored.
func (s *Server) StoreDir() string { return s.dir }

// inMemory reports whether streams are to be made in memory.
func (s *Server) inMemory() bool { return s.options.Durability == Memory }

// server returns the options of the server behind it, without the folder.
func (o *ServerOptions) server() (*server.Options, error) {
	if o.MaxMemory < 0 || o.MaxStore < 0 {
		return nil, fmt.Errorf("MaxMemory %d, MaxStore %d: negative", o.MaxMemory, o.MaxStore)
	}
	n := &server.Options{
		ServerName:             cmp.Or(o.Name, "futures-"+nuid.Next()),
		DontListen:             true,
		NoSigs:                 true, // or it would exit the process on a SIGINT
		NoLog:                  true, // it has none of its own; ours is set later
		JetStream:              true,
		JetStreamMaxMemory:     cmp.Or(o.MaxMemory, defaultMaxMemory),
		JetStreamMaxStore:      cmp.Or(o.MaxStore, defaultMaxStore),
		DisableJetStreamBanner: true,
		MaxPending:             maxPending,
	}
	if strings.ContainsAny(n.ServerName, " \t\r\n") {
		return nil, fmt.Errorf("Name %q: it contains a space", o.Name)
	}
	switch o.Durability {
	case DefaultDurability:
		n.SyncAlways = o.StoreDir != ""
	case Disk:
		n.SyncAlways = true
	case Process, Memory:
	default:
		return nil, fmt.Errorf("Durability %v is unknown", o.Durability)
	}
	var err error
	if o.Listen != "" {
		n.DontListen = false
		if n.Host, n.Port, err = listenAddress(o.Listen); err != nil {
			return nil, fmt.Errorf("Listen: %w", err)
		}
	}
	if o.TLS != nil {
		if o.Listen == "" {
			return nil, errors.New("TLS without Listen: nobody connects over it")
		}
		n.TLS, n.TLSConfig, n.TLSTimeout = true, o.TLS.Clone(), 5
	}
	if err := o.users(n); err != nil {
		return nil, err
	}
	return n, o.peers(n)
}

// users adds the users with their permissions.
func (o *ServerOptions) users(n *server.Options) error {
	for _, u := range o.Users {
		names, err := stream.NewNames(u.Namespace)
		if err != nil {
			return fmt.Errorf("user %q: %w", u.Name+u.NKey, err)
		}
		permissions, err := u.Role.permissions(names)
		if err != nil {
			return fmt.Errorf("user %q: %w", u.Name+u.NKey, err)
		}
		switch {
		case u.NKey != "" && u.Name == "" && u.Password == "":
			n.Nkeys = append(n.Nkeys, &server.NkeyUser{Nkey: u.NKey, Permissions: permissions})
		case u.NKey == "" && u.Name != "" && u.Password != "":
			n.Users = append(n.Users, &server.User{Username: u.Name, Password: u.Password, Permissions: permissions})
		default:
			return fmt.Errorf("user %q: want Name and Password, or NKey", u.Name+u.NKey)
		}
	}
	return nil
}

// permissions returns what the server is told that a role may do.
func (r Role) permissions(names stream.Names) (*server.Permissions, error) {
	roles := map[Role][]stream.Role{
		ClientRole: {stream.Client},
		WorkerRole: {stream.Worker},
		BothRoles:  {stream.Client, stream.Worker},
	}[r]
	if roles == nil {
		return nil, fmt.Errorf("Role %d is unknown", int(r))
	}
	p := &server.Permissions{Publish: &server.SubjectPermission{}, Subscribe: &server.SubjectPermission{}}
	for _, role := range roles {
		needs := names.Permissions(role)
		p.Publish.Allow = append(p.Publish.Allow, needs.Publish...)
		p.Subscribe.Allow = append(p.Subscribe.Allow, needs.Subscribe...)
		if needs.Respond {
			p.Response = &server.ResponsePermission{MaxMsgs: 1, Expires: time.Minute}
		}
	}
	return p, nil
}

// peers makes the server a node.
func (o *ServerOptions) peers(n *server.Options) (err error) {
	p := o.Peers
	if p == nil {
		return nil
	}
	if p.Name == "" {
		return errors.New("Peers.Name is empty")
	}
	if o.Name == "" && o.StoreDir != "" {
		return errors.New("a node with a StoreDir needs a Name: its peers know it by that")
	}
	n.Cluster.Name = p.Name
	n.Cluster.Username, n.Cluster.Password = p.User, p.Password
	if n.Cluster.Host, n.Cluster.Port, err = listenAddress(p.Listen); err != nil {
		return fmt.Errorf("Peers.Listen: %w", err)
	}
	if p.TLS != nil {
		n.Cluster.TLSConfig, n.Cluster.TLSTimeout = p.TLS.Clone(), 5
	}
	for _, r := range p.Routes {
		u := &url.URL{Scheme: "nats-route", Host: r}
		if _, _, err := net.SplitHostPort(r); err != nil {
			return fmt.Errorf("Peers.Routes: %w", err)
		}
		if p.User != "" {
			u.User = url.UserPassword(p.User, p.Password)
		}
		n.Routes = append(n.Routes, u)
	}
	return nil
}

// listenAddress splits an address as the server wants it: an empty host is every
// interface, and a free port is -1.
func listenAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err = net.LookupPort("tcp", text)
	if err != nil {
		return "", 0, err
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return cmp.Or(host, server.DEFAULT_HOST), port, nil
}
