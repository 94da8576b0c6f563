package shm_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/futures-go/futures/internal/shm"
)

// blocks returns the memory behind fd in bytes.
func blocks(t *testing.T, fd int) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

// duplicated opens a second region on the memory of r.
func duplicated(t *testing.T, r *shm.Region, open func(fd, minSize int) (*shm.Region, error)) *shm.Region {
	t.Helper()
	fd, err := unix.Dup(r.FD()) // without close-on-exec, like an inherited one
	if err != nil {
		t.Fatal(err)
	}
	second, err := open(fd, r.Size())
	if err != nil {
		_ = unix.Close(fd)
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOK(t, second) })
	return second
}

func closeOnExec(t *testing.T, fd int) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.FD_CLOEXEC != 0
}

func listDevShm(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("/dev/shm/*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// S3: no name, no access for others, nothing inherited by accident.
func TestCreateLeavesNoName(t *testing.T) {
	before := listDevShm(t)
	r := create(t, 1)
	if got, want := r.Size(), shm.PageSize(); got != want {
		t.Errorf("Size = %d, want a page of %d", got, want)
	}
	if got := listDevShm(t); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("/dev/shm holds %v, before it was %v", got, before)
	}
	var st unix.Stat_t
	if err := unix.Fstat(r.FD(), &st); err != nil {
		t.Fatal(err)
	}
	if got := st.Mode & 0o7777; got != 0o600 {
		t.Errorf("mode %o, want 600", got)
	}
	if st.Nlink != 0 {
		t.Errorf("%d links, want none", st.Nlink)
	}
	if !closeOnExec(t, r.FD()) {
		t.Error("a created descriptor is not close-on-exec")
	}
	if second := duplicated(t, r, shm.Open); !closeOnExec(t, second.FD()) {
		t.Error("an opened descriptor is not close-on-exec")
	}
	file, err := r.File()
	if err != nil {
		t.Fatal(err)
	}
	defer closeOK(t, file)
	if !closeOnExec(t, int(file.Fd())) {
		t.Error("a duplicate is not close-on-exec")
	}
}

// S1: nobody can take memory away, or the seals.
func TestSealsHold(t *testing.T) {
	r := create(t, 4*shm.PageSize())
	fd := r.FD()
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	for name, err := range map[string]error{
		"shrink":       unix.Ftruncate(fd, 0),
		"grow":         unix.Ftruncate(fd, int64(2*r.Size())),
		"write beyond": second(unix.Pwrite(fd, []byte{1}, int64(r.Size()))),
		"extend":       unix.Fallocate(fd, 0, int64(r.Size()), 1),
		"O_TRUNC":      second(unix.Open(path, unix.O_RDWR|unix.O_TRUNC|unix.O_CLOEXEC, 0)),
		"write seal":   second(unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE)),
		"future seal":  second(unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_FUTURE_WRITE)),
		"executable":   unix.Fchmod(fd, 0o700),
	} {
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("%s: %v, want EPERM", name, err)
		}
	}
	if r.Bytes()[r.Size()-1] != 0 {
		t.Error("the last byte changed")
	}
}

func second[T any](_ T, err error) error { return err }

// S1: what is not sealed memory of the right size is not opened.
func TestOpenRefuses(t *testing.T) {
	page := shm.PageSize()
	memory := func(flags, size, seals int) int {
		fd, err := unix.MemfdCreate("refused", unix.MFD_CLOEXEC|flags)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Ftruncate(fd, int64(size)); err != nil {
			t.Fatal(err)
		}
		if seals != 0 {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
				t.Fatal(err)
			}
		}
		return fd
	}
	file := func(path string) int {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Ftruncate(fd, int64(page)); err != nil {
			t.Fatal(err)
		}
		return fd
	}
	pipe := func() int {
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(fds[1])
		return fds[0]
	}
	const sealing = unix.MFD_ALLOW_SEALING
	const size = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW
	tests := []struct {
		name     string
		fd       int
		readable bool // OpenReadOnly takes it
	}{
		{"no seals allowed", memory(0, page, 0), false},
		{"unsealed", memory(sealing, page, 0), false},
		{"may grow", memory(sealing, page, unix.F_SEAL_SHRINK), false},
		{"may shrink", memory(sealing, page, unix.F_SEAL_GROW), false},
		{"too small", memory(sealing, page-1, size), false},
		{"empty", memory(sealing, 0, size), false},
		{"no writing", memory(sealing, page, size|unix.F_SEAL_WRITE), true},
		{"no more writing", memory(sealing, page, size|unix.F_SEAL_FUTURE_WRITE), true},
		{"huge pages", memory(sealing|unix.MFD_HUGETLB, 0, size), false},
		{"regular file", file(filepath.Join(t.TempDir(), "file")), false},
		{"pipe", pipe(), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if r, err := shm.Open(test.fd, page); !errors.Is(err, shm.ErrRefused) {
				t.Errorf("Open = %v, %v, want ErrRefused", r, err)
			}
			r, err := shm.OpenReadOnly(test.fd, page)
			if test.readable {
				if err != nil {
					t.Fatalf("OpenReadOnly: %v", err)
				}
				closeOK(t, r)
				return
			}
			if !errors.Is(err, shm.ErrRefused) {
				t.Errorf("OpenReadOnly = %v, %v, want ErrRefused", r, err)
			}
			if err := unix.Close(test.fd); err != nil {
				t.Errorf("the caller's descriptor after a refusal: %v", err)
			}
		})
	}
	if _, err := shm.Open(1<<20, page); !errors.Is(err, unix.EBADF) {
		t.Errorf("Open of no descriptor: %v, want EBADF", err)
	}
	// A file of a named tmpfs has the same file system as a memfd, and cannot be sealed.
	name := fmt.Sprintf("/dev/shm/futures-shm-test-%d", os.Getpid())
	if fd, err := unix.Open(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600); err == nil {
		_ = unix.Unlink(name)
		if err := unix.Ftruncate(fd, int64(page)); err != nil {
			t.Fatal(err)
		}
		if _, err := shm.Open(fd, page); !errors.Is(err, shm.ErrRefused) {
			t.Errorf("Open of a tmpfs file: %v, want ErrRefused", err)
		}
		_ = unix.Close(fd)
	}
}

func TestReserveAndPunch(t *testing.T) {
	page := shm.PageSize()
	r := create(t, 64<<20)
	if got := blocks(t, r.FD()); got != 0 {
		t.Errorf("a new region holds %d bytes", got)
	}
	r.Bytes()[100] = 7
	if err := r.Reserve(100, 32*page); err != nil {
		t.Fatal(err)
	}
	if got, want := blocks(t, r.FD()), int64(33*page); got != want {
		t.Errorf("reserved %d bytes, want %d", got, want)
	}
	if r.Bytes()[100] != 7 {
		t.Error("Reserve changed a byte")
	}
	if err := errors.Join(r.Reserve(0, 0), r.Punch(0, 0)); err != nil {
		t.Errorf("nothing to do: %v", err)
	}

	for i := range 33 * page {
		r.Bytes()[i] = 0xFF
	}
	if err := r.Punch(page+1, 16*page); err != nil {
		t.Fatal(err)
	}
	if got, want := blocks(t, r.FD()), int64(18*page); got != want {
		t.Errorf("%d bytes left, want %d", got, want)
	}
	for i, b := range r.Bytes()[:33*page] {
		if zero := i > page && i <= 17*page; zero != (b == 0) {
			t.Fatalf("byte %d is %#x after punching [%d, %d)", i, b, page+1, 17*page+1)
		}
	}
	if got, want := blocks(t, r.FD()), int64(33*page); got != want {
		t.Errorf("%d bytes after reading the hole, want %d", got, want)
	}
	if err := r.Punch(0, r.Size()); err != nil {
		t.Fatal(err)
	}
	if got := blocks(t, r.FD()); got != 0 {
		t.Errorf("%d bytes after punching all", got)
	}

	// A reader's mapping cannot populate pages, its descriptor can.
	reader := duplicated(t, r, shm.OpenReadOnly)
	if err := reader.Reserve(40*page, page); err != nil {
		t.Fatal(err)
	}
	if got, want := blocks(t, r.FD()), int64(page); got != want {
		t.Errorf("%d bytes after a reader's Reserve, want %d", got, want)
	}
}

func TestSparseRegionIsFree(t *testing.T) {
	if ^uint(0)>>32 == 0 {
		t.Skip("SKIP: 32-bit addresses")
	}
	size := 1 << 30
	size *= 64
	r := create(t, size)
	r.Bytes()[size-1] = 1
	if got, want := blocks(t, r.FD()), int64(shm.PageSize()); got != want {
		t.Errorf("%d bytes for one touched page, want %d", got, want)
	}
}
