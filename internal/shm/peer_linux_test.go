package shm_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/futures-go/futures/internal/shm"
)

func TestTwoProcesses(t *testing.T) {
	r := create(t, 2*shm.PageSize())
	cmd := command(t, "write")
	share(t, cmd, r)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got, want := r.Uint64(64).Load(), uint64(0x0102030405060708); got != want {
		t.Errorf("word = %#x, want %#x", got, want)
	}
	if got := string(r.Bytes()[r.Size()-4:]); got != "last" {
		t.Errorf("last bytes %q", got)
	}
}

func roleWrite() error {
	r, err := shm.Open(peerFD, 2*shm.PageSize())
	if err != nil {
		return err
	}
	r.Uint64(64).Store(0x0102030405060708)
	copy(r.Bytes()[r.Size()-4:], "last")
	return r.Unmap()
}

// What a peer has written stays readable whenever it is killed, and the region goes
// on working.
func TestPeerKilledWhileWriting(t *testing.T) {
	r := create(t, shm.PageSize())
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	count, copied := r.Uint64(0), r.Uint64(64)
	count.Store(^uint64(0) - 500)
	copied.Store(count.Load())
	for range 10 {
		cmd := command(t, "count")
		share(t, cmd, r)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		start := count.Load()
		for n := random.Uint64N(10_000); count.Load()-start < n+1; {
			runtime.Gosched()
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		_ = stdin.Close()
		// The peer stores to copied after count; at most one step is missing.
		if n, c := count.Load(), copied.Load(); n-c > 1 {
			t.Fatalf("count %d, copy %d", n, c)
		}
		copied.Store(count.Load())
	}
}

func roleCount() error {
	r, err := shm.Open(peerFD, shm.PageSize())
	if err != nil {
		return err
	}
	var end atomic.Bool
	go func() { awaitEnd(); end.Store(true) }()
	count, copied := r.Uint64(0), r.Uint64(64)
	for !end.Load() {
		copied.Store(count.Add(1))
	}
	return nil
}

func TestBroadcast(t *testing.T) {
	r, err := shm.CreateBroadcast("broadcast", 2*shm.PageSize())
	if err != nil {
		t.Fatal(err)
	}
	defer closeOK(t, r)
	copy(r.Bytes(), "news")
	reader := duplicated(t, r, shm.OpenReadOnly)
	if got := string(reader.Bytes()[:4]); got != "news" || !reader.ReadOnly() || r.ReadOnly() {
		t.Errorf("reader sees %q", got)
	}
	r.Uint32(0).Store(0)
	if reader.Uint32(0).Load() != 0 {
		t.Error("the creator's later store is not seen")
	}
	m, err := reader.Mirror(0, reader.Size())
	if err != nil {
		t.Fatal(err)
	}
	closeOK(t, m)
	if err := r.Punch(0, r.Size()); !errors.Is(err, unix.EPERM) {
		t.Errorf("Punch: %v, want EPERM", err)
	}
	if _, err := r.Mirror(0, r.Size()); !errors.Is(err, unix.EPERM) {
		t.Errorf("Mirror: %v, want EPERM", err)
	}

	copy(r.Bytes(), "same")
	cmd := command(t, "vandal")
	share(t, cmd, r)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if got := string(r.Bytes()[:4]); got != "same" {
		t.Errorf("a reader changed the memory to %q", got)
	}
}

// roleVandal tries whatever a descriptor of broadcast memory might allow.
func roleVandal() error {
	if _, err := shm.Open(peerFD, 1); !errors.Is(err, shm.ErrRefused) {
		return fmt.Errorf("Open: %v", err)
	}
	r, err := shm.OpenReadOnly(peerFD, 1)
	if err != nil {
		return err
	}
	_, mapped := unix.Mmap(peerFD, 0, r.Size(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	path := fmt.Sprintf("/proc/self/fd/%d", peerFD)
	for name, err := range map[string]error{
		"write":    second(unix.Pwrite(peerFD, []byte("evil"), 0)),
		"map":      mapped,
		"mprotect": unix.Mprotect(r.Bytes(), unix.PROT_READ|unix.PROT_WRITE),
		"punch":    r.Punch(0, r.Size()),
		"remove":   unix.Madvise(r.Bytes(), unix.MADV_REMOVE),
		"truncate": unix.Ftruncate(peerFD, 0),
		"reopen":   second(unix.Open(path, unix.O_RDWR|unix.O_TRUNC|unix.O_CLOEXEC, 0)),
	} {
		if err == nil {
			return fmt.Errorf("%s is allowed", name)
		}
	}
	return nil
}

func TestWritingReadOnlyMemoryFaults(t *testing.T) {
	r := create(t, 1)
	cmd := command(t, "fault")
	share(t, cmd, r)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.ExitStatus() != 2 || !strings.Contains(string(out), "unexpected fault address") {
		t.Errorf("%v: %s", err, out)
	}
}

func roleFault() error {
	r, err := shm.OpenReadOnly(peerFD, 1)
	if err != nil {
		return err
	}
	r.Bytes()[0] = 1
	return nil
}
