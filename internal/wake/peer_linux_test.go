package wake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/futures-go/futures/internal/shm"
)

// The test binary plays the other process: with roleEnv set it runs one of roles
// instead of tests. It ends when its standard input does, so it cannot outlive the
// test. What it finds at which descriptor:
const (
	roleEnv  = "FUTURES_WAKE_TEST_ROLE"
	spinEnv  = "FUTURES_WAKE_TEST_SPIN" // Spin.Max of the role
	cpuEnv   = "FUTURES_WAKE_TEST_CPU"  // the CPU to stay on, or empty
	boardFD  = 3                        // the board
	yourFD   = 4                        // the bell, or pipe, that the role waits on
	theirFD  = 5                        // the bell, or pipe, that the parent waits on
	boardLen = 4096
)

var roles = map[string]func() error{
	"pong-futex": func() error { return rolePong(sideFutex, true) },
	"pong-bell":  func() error { return rolePong(sideBell, false) },
	"pong-pipe":  rolePongPipe,
	"ring":       roleRing,
	"swallow":    roleSwallow,
}

// board is the shared memory of a game: ping counts what the parent sent, pong what
// the peer answered. Each word is on a cache line pair of its own.
type board struct {
	ping       atomic.Uint64 // written by the parent
	_          [120]byte
	pong       atomic.Uint64 // written by the peer
	_          [120]byte
	peerParked atomic.Uint32 // 1 while the peer sleeps
	_          [124]byte
	parked     atomic.Uint32 // 1 while the parent sleeps
	_          [124]byte
}

// side is one player's way to wait and to wake.
type side struct {
	sleep func(ready func() bool) error
	wake  func()
	spin  *Spin
}

func (s *side) await(ready func() bool) error {
	if s.spin.Until(ready) {
		return nil
	}
	return s.sleep(ready)
}

func sideFutex(mine, theirs *atomic.Uint32, _, _ *Bell, max time.Duration) *side {
	return &side{
		sleep: func(ready func() bool) error { return Sleep(mine, ready) },
		wake:  func() { Wake(theirs) },
		spin:  &Spin{Max: max},
	}
}

func sideBell(mine, theirs *atomic.Uint32, myBell, theirBell *Bell, max time.Duration) *side {
	return &side{
		sleep: func(ready func() bool) error { return myBell.Sleep(mine, ready) },
		wake:  func() { theirBell.Wake(theirs) },
		spin:  &Spin{Max: max, Goroutines: true},
	}
}

type makeSide func(mine, theirs *atomic.Uint32, myBell, theirBell *Bell, max time.Duration) *side

// rolePong answers every ping with a pong of the same number. A side that blocks
// its thread is locked to it, one that blocks its goroutine is not: the runtime
// would have to pass every wake-up on from thread to thread.
func rolePong(make makeSide, lock bool) error {
	max, err := enter()
	if err != nil {
		return err
	}
	if lock {
		runtime.LockOSThread()
	}
	region, err := shm.Open(boardFD, boardLen)
	if err != nil {
		return err
	}
	mine, err := OpenBell(yourFD)
	if err != nil {
		return err
	}
	theirs, err := OpenBell(theirFD)
	if err != nil {
		return err
	}
	b := shm.At[board](region, 0)
	me := make(&b.peerParked, &b.parked, mine, theirs, max)
	for {
		last := b.pong.Load()
		if err := me.await(func() bool { return b.ping.Load() != last }); err != nil {
			return err
		}
		b.pong.Store(b.ping.Load())
		me.wake()
	}
}

// rolePongPipe answers every 8 bytes with the same 8 bytes.
func rolePongPipe() error {
	if _, err := enter(); err != nil {
		return err
	}
	runtime.LockOSThread()
	var buf [8]byte
	for {
		if n, err := syscall.Read(yourFD, buf[:]); n != len(buf) {
			return err
		}
		if _, err := syscall.Write(theirFD, buf[:]); err != nil {
			return err
		}
	}
}

// roleRing rings without end, and counts in pong.
func roleRing() error {
	if _, err := enter(); err != nil {
		return err
	}
	region, err := shm.Open(boardFD, boardLen)
	if err != nil {
		return err
	}
	bell, err := OpenBell(theirFD)
	if err != nil {
		return err
	}
	b := shm.At[board](region, 0)
	for {
		bell.Ring()
		b.pong.Add(1)
	}
}

// roleSwallow takes the parent's announcement away and dies before it rings.
func roleSwallow() error {
	if _, err := enter(); err != nil {
		return err
	}
	region, err := shm.Open(boardFD, boardLen)
	if err != nil {
		return err
	}
	b := shm.At[board](region, 0)
	for !take(&b.parked) {
		runtime.Gosched()
	}
	return unix.Kill(os.Getpid(), unix.SIGKILL)
}

// enter prepares a peer: its end, its CPU, its spinning.
func enter() (max time.Duration, err error) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if cpu := os.Getenv(cpuEnv); cpu != "" {
		n, err := strconv.Atoi(cpu)
		if err != nil {
			return 0, err
		}
		if err := stayOn(n); err != nil {
			return 0, err
		}
	}
	return time.ParseDuration(os.Getenv(spinEnv))
}

// stayOn binds all threads of this process, and those to come, to a CPU.
func stayOn(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	return setAffinity(&set)
}

func setAffinity(set *unix.CPUSet) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, set); err != nil && err != unix.ESRCH {
			return fmt.Errorf("bind thread %d: %w", id, err)
		}
	}
	return nil
}

// table is the parent's side of a game: the memory, and the bells.
type table struct {
	region *shm.Region
	board  *board
	mine   *Bell         // rung for the parent
	theirs *Bell         // rung for the peer
	max    time.Duration // Spin.Max of the peers that start
	cpu    string        // their CPU, or empty
}

func newTable(tb testing.TB) *table {
	tb.Helper()
	var t table
	var err error
	check := func(e error) {
		tb.Helper()
		if e != nil {
			tb.Fatal(e)
		}
	}
	t.region, err = shm.Create("board", boardLen)
	check(err)
	tb.Cleanup(func() { check(t.region.Close()) })
	t.board = shm.At[board](t.region, 0)
	t.mine, err = NewBell()
	check(err)
	tb.Cleanup(func() { check(t.mine.Close()) })
	t.theirs, err = NewBell()
	check(err)
	tb.Cleanup(func() { check(t.theirs.Close()) })
	return &t
}

// peer is a process that plays a role at a table.
type peer struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   bytes.Buffer // its stdout and stderr; read after cmd.Wait
}

// start starts a peer that holds the board and both bells, or the given files
// instead of those.
func (t *table) start(tb testing.TB, role string, instead ...*os.File) *peer {
	tb.Helper()
	if roles[role] == nil {
		tb.Fatalf("no role %q", role)
	}
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	p := &peer{cmd: exec.Command(self)}
	p.cmd.Env = append(os.Environ(), roleEnv+"="+role, spinEnv+"="+t.max.String(), cpuEnv+"="+t.cpu,
		"GORACE=atexit_sleep_ms=0 exitcode=66")
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	files := make([]*os.File, 3)
	for i, open := range []func() (*os.File, error){t.region.File, t.theirs.File, t.mine.File} {
		if files[i], err = open(); err != nil {
			tb.Fatal(err)
		}
		defer func() { _ = files[i].Close() }()
	}
	p.cmd.ExtraFiles = append(files[:1:1], instead...)
	if len(instead) == 0 {
		p.cmd.ExtraFiles = files
	}
	if err := p.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.kill(tb) })
	return p
}

// kill ends the peer with SIGKILL and reaps it. A peer that ended by itself before
// has failed.
func (p *peer) kill(tb testing.TB) {
	tb.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Kill()
	err := p.cmd.Wait()
	_ = p.stdin.Close()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		tb.Errorf("peer ended by itself: %v\n%s", err, p.out.Bytes())
	}
}

// play plays rounds of ping-pong and checks that every ping has its pong.
func (t *table) play(tb testing.TB, me *side, rounds int) {
	tb.Helper()
	b := t.board
	for range rounds {
		ping := b.ping.Add(1)
		me.wake()
		if err := me.await(func() bool { return b.pong.Load() == ping }); err != nil {
			tb.Fatal(err)
		}
	}
}
