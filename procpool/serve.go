package procpool

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/codec"
	"github.com/futures-go/futures/internal/family"
	"github.com/futures-go/futures/internal/process"
	"github.com/futures-go/futures/internal/shm"
	"github.com/futures-go/futures/internal/taskring"
)

// Exit codes of a worker that could not serve. They do not collide with those of the
// Go runtime (2) and of shells.
const (
	exitSetup    = 90 // something that the parent should have provided is missing
	exitProtocol = 91 // the parent said what PROTOCOL.md does not know
)

// Descriptors of a worker, by their place in process.Spec.Files.
const (
	fileIn = iota
	fileOut
	fileRing
	fileBell
	fileArena
	fileFamilies // as many as WELCOME says
)

// serveCalled says that this program has the guard line in its main.
var serveCalled atomic.Bool

// ServeIfWorker is the first line of the main function, or TestMain, of a program that
// uses process pools:
//
//	func main() {
//		procpool.ServeIfWorker()
//		...
//	}
//
// In a worker process it runs the registered functions that it is asked to run, and
// never returns. Anywhere else it does nothing. New returns an error if it was not
// called, so that a program without it does not start itself over and over.
func ServeIfWorker() {
	serveCalled.Store(true)
	child, err := process.HardenChild()
	if !child && err == nil {
		return
	}
	code := exitSetup
	if err == nil {
		code, err = serve()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "procpool: worker:", err)
	}
	os.Exit(code)
}

// server is a worker process, seen from inside.
type server struct {
	number  int
	in      *frameReader
	out     *frameWriter
	options welcome
	exit    chan exit // capacity 1 is enough for who comes first

	ring  *taskring.Worker // nil without shared memory
	arena *shm.Region

	initialized bool        // the runner's
	retired     bool        // the reader's: tasks is closed
	running     atomic.Bool // a TASK has come whose RESULT has not been sent

	calls  map[string]futures.Call // by name, used for one call after another; the runner's
	tasks  chan frame              // without a ring: from the reader to the runner, one at a time
	grants chan frame              // from the reader to the runner, who has asked
	result []byte                  // the runner's buffer
	left   int                     // tasks that may still be pulled; below 0 without limit

	mu      sync.Mutex
	known   sync.Cond // functions has grown
	names   []string  // of functions, by number
	current *call     // that runs; CANCEL is for it
	// The last CANCELs that came when their tasks did not run: too late, or too early.
	early     [16]uint64
	earlyNext int
}

type exit struct {
	code int
	err  error
}

func serve() (code int, err error) {
	assert.Reach("before HELLO")
	s := &server{
		in:     newFrameReader(os.NewFile(process.ChildFile(fileIn), "from parent")),
		out:    &frameWriter{w: os.NewFile(process.ChildFile(fileOut), "to parent")},
		exit:   make(chan exit, 1),
		calls:  make(map[string]futures.Call),
		tasks:  make(chan frame, 1),
		grants: make(chan frame, 1),
	}
	s.known.L = &s.mu
	if err := s.handshake(); err != nil {
		return exitSetup, err
	}
	go s.read()
	go s.work()
	e := <-s.exit
	return e.code, e.err
}

// leave ends the process; the first reason counts.
func (s *server) leave(code int, err error) {
	select {
	case s.exit <- exit{code, err}:
	default:
	}
}

// handshake says hello and sets up what the parent answers.
func (s *server) handshake() error {
	greeting, err := codec.Append(nil, &hello{Protocol: protocolVersion, PID: os.Getpid()})
	if err != nil {
		return err
	}
	if err := s.out.write(frameHello, 0, 0, greeting); err != nil {
		return err
	}
	f, err := s.in.read()
	if err != nil {
		return fmt.Errorf("reading WELCOME: %w", err)
	}
	if f.kind != frameWelcome {
		return fmt.Errorf("%w: frame %d instead of WELCOME", errFrame, f.kind)
	}
	if err := codec.Decode(f.payload, &s.options); err != nil {
		return fmt.Errorf("WELCOME: %w", err)
	}
	if s.options.Protocol != protocolVersion {
		return fmt.Errorf("%w: version %d of the protocol, this is version %d", errFrame, s.options.Protocol, protocolVersion)
	}
	s.number, s.names = s.options.Worker, s.options.Functions
	if s.left = s.options.MaxTasks; s.left == 0 {
		s.left = -1
	}
	if s.options.Processors > 0 {
		runtime.GOMAXPROCS(s.options.Processors)
	}
	if s.options.MemoryLimit > 0 {
		debug.SetMemoryLimit(s.options.MemoryLimit)
	}
	_ = process.RaiseOOMScore(500) // a courtesy to the parent that not every system grants
	if !s.options.Shared {
		return nil
	}
	s.ring, err = taskring.Attach(int(process.ChildFile(fileRing)), int(process.ChildFile(fileBell)), s.number)
	if err != nil {
		return err
	}
	for i := range s.options.Families {
		family.Inherit(int(process.ChildFile(fileFamilies + i)))
	}
	s.arena, err = shm.Open(int(process.ChildFile(fileArena)), 0)
	return err
}

// read takes what the parent says until there is no parent any more.
func (s *server) read() {
	for {
		f, err := s.in.read()
		if err != nil {
			if err != io.EOF {
				err = fmt.Errorf("reading from the parent: %w", err)
			} else {
				err = nil // the pool is closed, or its process gone
			}
			s.leave(0, err)
			return
		}
		if err := s.handle(f); err != nil {
			s.leave(exitProtocol, err)
			return
		}
	}
}

func (s *server) handle(f frame) error {
	switch f.kind {
	case frameTask:
		if s.retired {
			return nil // it was sent before the parent knew, and is run elsewhere
		}
		if s.running.Swap(true) {
			return fmt.Errorf("%w: TASK %d before the RESULT of the one before", errFrame, f.id)
		}
		s.tasks <- f // its payload stays valid: the next one comes after our RESULT
	case frameCancel:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.current != nil && s.current.id == f.id {
			s.current.ctx.stop(futures.ErrCancelled)
		} else {
			s.early[s.earlyNext%len(s.early)] = f.id
			s.earlyNext++
		}
	case frameRetire:
		if !s.retired {
			s.retired = true
			close(s.tasks)
		}
	case frameFunction:
		s.mu.Lock()
		defer s.mu.Unlock()
		if f.id != uint64(len(s.names)) {
			return fmt.Errorf("%w: FUNCTION %d after %d", errFrame, f.id, len(s.names))
		}
		s.names = append(s.names, string(f.payload))
		s.known.Broadcast()
	case frameGrant:
		f.payload = append([]byte(nil), f.payload...)
		select {
		case s.grants <- f:
		default:
			return fmt.Errorf("%w: GRANT that nobody asked for", errFrame)
		}
	default:
		return fmt.Errorf("%w: frame of kind %d", errFrame, f.kind)
	}
	return nil
}

// nameOf returns the name of a function's number, waiting for the frame that says it.
func (s *server) nameOf(number uint32) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for uint64(number) >= uint64(len(s.names)) {
		s.known.Wait()
	}
	return s.names[number]
}

// work is the runner: it initializes the worker and then runs one task after another.
// A task that ends the goroutine goes on in a new one.
func (s *server) work() {
	returned := false
	defer func() {
		if !returned && s.initialized {
			go s.work()
		}
	}()
	if s.initialized || s.initialize() {
		s.initialized = true
		if s.ring != nil {
			s.pull()
		} else {
			for f := range s.tasks {
				s.runFrame(f)
			}
		}
		s.leave(0, s.out.write(frameBye, 0, 0))
	}
	returned = true
}

// initialize runs the initializer and says how it went.
func (s *server) initialize() bool {
	if s.options.Init != "" {
		failed := false
		c := &call{server: s, name: s.options.Init, argument: s.options.InitArg}
		c.execute(&answer{
			value: func(any) error { return nil },
			failed: func(kind resultKind, record []byte) {
				failed = true
				if err := s.out.write(frameFailed, uint8(kind), 0, record); err != nil {
					s.leave(exitSetup, err)
				}
			},
		})
		if failed {
			return false // the parent ends us once it has read that
		}
	}
	if err := s.out.write(frameReady, 0, 0); err != nil {
		s.leave(exitSetup, err)
		return false
	}
	return true
}
