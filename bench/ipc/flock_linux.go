package ipc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/futures-go/futures/bench/internal/harness"
)

func fileLock() harness.System {
	return adapter{lending: lendFile}.answers(harness.System{
		Name:  "flock",
		About: "a floor: flock, which the kernel takes from the dead",
		Find:  harness.Go,
	})
}

// flock calls the system until no signal interrupts it.
func flock(file *os.File, how int) error {
	for {
		err := unix.Flock(int(file.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

type fileLending struct {
	file *os.File
	last *exec.Cmd
}

func lendFile() (lending, error) {
	file, err := os.CreateTemp("", "bench-")
	return &fileLending{file: file}, err
}

func (f *fileLending) lend() (*os.Process, error) {
	cmd, r, w, err := piped("flock")
	if err != nil {
		return nil, err
	}
	f.last = cmd
	var told [1]byte
	_, err = fmt.Fprintln(w, f.file.Name())
	if err == nil {
		_, err = r.Read(told[:])
	}
	return cmd.Process, errors.Join(err, w.Close(), r.Close())
}

func (f *fileLending) take() error {
	err := errors.Join(flock(f.file, unix.LOCK_EX), flock(f.file, unix.LOCK_UN))
	_ = f.last.Wait() // it says that it was killed
	return err
}

func (f *fileLending) close() error {
	return errors.Join(os.Remove(f.file.Name()), f.file.Close())
}

// serveFileLock locks the file that it is told, says so, and waits to be killed.
func serveFileLock() error {
	var name string
	if _, err := fmt.Scanln(&name); err != nil {
		return err
	}
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := flock(file, unix.LOCK_EX); err != nil {
		return err
	}
	if _, err := os.Stdout.Write([]byte{1}); err != nil {
		return err
	}
	wait := yieldWhile(parentThere())
	for {
		if err := unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if err := wait(); err != nil {
			return err
		}
	}
}
