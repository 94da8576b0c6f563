package ipc_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/futures-go/futures/ipc"
)

func init() {
	roles["importQueue"] = importQueue
	roles["importMutex"] = importMutex
	roles["importPipe"] = importPipe
	roles["exportQueue"] = exportQueue
	roles["importRefused"] = importRefused
}

// importQueue puts and takes what it is told.
func importQueue(address string, in *bufio.Reader) error {
	ctx := context.Background()
	q, err := ipc.Import[*ipc.Queue[string]](ctx, address)
	if err != nil {
		return err
	}
	fmt.Println("imported")
	return listens(in, func(line string) error {
		switch verb, text, _ := strings.Cut(line, " "); verb {
		case "put":
			if err := q.Put(ctx, text); err != nil {
				return err
			}
			fmt.Println("put")
		case "get":
			text, err := q.Get(ctx)
			if err != nil {
				return err
			}
			fmt.Println("got", text)
		case "flood": // until it is killed
			for {
				if err := q.Put(ctx, text); err != nil {
					return err
				}
				if _, err := q.Get(ctx); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// importMutex takes a lock and keeps it.
func importMutex(address string, in *bufio.Reader) error {
	m, err := ipc.Import[*ipc.Mutex](context.Background(), address)
	if err != nil {
		return err
	}
	m.Lock()
	fmt.Println("locked")
	return listens(in, func(string) error { return nil })
}

// importPipe sends a line and keeps the end.
func importPipe(address string, in *bufio.Reader) error {
	e, err := ipc.Import[*ipc.PipeEnd[string]](context.Background(), address)
	if err == nil {
		err = e.Send(context.Background(), "hello")
	}
	if err != nil {
		return err
	}
	fmt.Println("sent")
	return listens(in, func(string) error { return e.Close() })
}

// exportQueue makes a queue and gives it to whoever asks.
func exportQueue(address string, in *bufio.Reader) error {
	q, err := ipc.NewQueue[string](ipc.QueueOptions{})
	if err != nil {
		return err
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: address})
	if err != nil {
		return err
	}
	x, err := ipc.Export(ln, q)
	if err != nil {
		return err
	}
	fmt.Println("exports")
	defer x.Close()
	return listens(in, func(string) error { return nil })
}

// importRefused is of another user, and tries all that it can think of.
func importRefused(argument string, in *bufio.Reader) error {
	for _, address := range strings.Split(argument, ",") {
		if memory, is := strings.CutPrefix(address, "fd:"); is {
			f, err := os.Open(memory)
			if err == nil {
				f.Close()
				return fmt.Errorf("%s can be opened", memory)
			}
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_, err := ipc.Import[*ipc.Queue[string]](ctx, address)
		cancel()
		if err == nil {
			return fmt.Errorf("%s was imported", address)
		}
		if ctx.Err() == context.DeadlineExceeded {
			return fmt.Errorf("%s: no answer", address)
		}
	}
	fmt.Println("refused")
	return nil
}

func exportAt(t *testing.T, address string, h ipc.Handle) *ipc.Exporter {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: address})
	if err != nil {
		t.Fatal(err)
	}
	x, err := ipc.Export(ln, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

// abstract returns the name of a socket that is in no file system.
func abstract(t *testing.T) string {
	return fmt.Sprintf("@futures-test-%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-"))
}

// TestExport: handles between unrelated processes of one user.
func TestExport(t *testing.T) {
	t.Run("a queue, by a path and by a name", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "socket")
		for _, address := range []string{path, abstract(t)} {
			q, err := ipc.NewQueue[string](ipc.QueueOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer q.Discard()
			x := exportAt(t, address, q)
			if info, err := os.Stat(address); address == path && (err != nil || info.Mode().Perm() != 0o600) {
				t.Error(info, err)
			}
			a, b := startRole(t, "importQueue", address), startRole(t, "importQueue", address)
			a.wants("imported")
			b.wants("imported")
			if err := x.Close(); err != nil {
				t.Error(err)
			}
			a.tell("put one")
			a.wants("put")
			b.tell("get")
			b.wants("got one")
			b.tell("put two")
			if v, err := q.Get(t.Context()); v != "two" || err != nil {
				t.Errorf("%q, %v", v, err)
			}
			if _, err := ipc.Import[*ipc.Queue[string]](t.Context(), address); err == nil {
				t.Error("imported after Close")
			}
		}
	})
	t.Run("an importer is killed with a lock", func(t *testing.T) {
		m, err := ipc.NewMutex()
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		exportAt(t, abstract(t), m)
		for range 5 {
			a := startRole(t, "importMutex", abstract(t))
			a.wants("locked")
			if m.TryLock() {
				t.Fatal("two have the lock")
			}
			if m.Owner() != a.cmd.Process.Pid {
				t.Errorf("process %d has the lock, not %d", m.Owner(), a.cmd.Process.Pid)
			}
			a.kill()
			if err := m.LockContext(t.Context()); !errors.Is(err, ipc.ErrOwnerDied) {
				t.Fatal(err)
			}
			m.MarkConsistent()
			m.Unlock()
		}
	})
	t.Run("importers are killed in a queue", func(t *testing.T) {
		q, err := ipc.NewQueue[string](ipc.QueueOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Discard()
		exportAt(t, abstract(t), q)
		for range kills(150) / 10 {
			a := startRole(t, "importQueue", abstract(t))
			a.wants("imported")
			a.tell("flood x")
			for range 3 { // it is at work: the queue is never empty for long
				if _, err := q.Get(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := q.Put(t.Context(), "x"); err != nil {
					t.Fatal(err)
				}
			}
			a.kill()
			if err := q.Put(t.Context(), "x"); err != nil {
				t.Fatal(err)
			}
			if _, err := q.Get(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("the end of a pipe, whose importer is killed", func(t *testing.T) {
		for _, kill := range []bool{true, false} {
			a, b := pipeOf[string](t, ipc.PipeOptions{})
			x := exportAt(t, abstract(t), b)
			importer := startRole(t, "importPipe", abstract(t))
			importer.wants("sent")
			x.Close()
			b.Close()
			if v, err := a.Recv(t.Context()); v != "hello" || err != nil {
				t.Errorf("%q, %v", v, err)
			}
			if ready, err := a.Poll(ended()); ready || err != nil {
				t.Errorf("%v, %v", ready, err)
			}
			if kill {
				importer.kill()
			} else {
				importer.tell("close")
			}
			wantEOF(t, a)
		}
	})
	t.Run("the exporter is killed, and two importers go on", func(t *testing.T) {
		address := abstract(t)
		x := startRole(t, "exportQueue", address)
		x.wants("exports")
		a, b := startRole(t, "importQueue", address), startRole(t, "importQueue", address)
		a.wants("imported")
		b.wants("imported")
		b.tell("get") // it waits
		x.kill()
		a.tell("put one")
		a.wants("put")
		b.wants("got one")
		// One of them buries the other.
		b.tell("flood x")
		a.tell("get")
		a.wants("got x")
		b.kill()
		a.tell("put last")
		a.wants("put")
		for said := ""; said != "got last"; said = a.hears() {
			a.tell("get")
		}
		if _, err := ipc.Import[*ipc.Queue[string]](t.Context(), address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Error(err)
		}
	})
	t.Run("of another kind or type", func(t *testing.T) {
		q, err := ipc.NewQueue[[]byte](ipc.QueueOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Discard()
		exportAt(t, abstract(t), q)
		if _, err := ipc.Import[*ipc.Mutex](t.Context(), abstract(t)); !errors.Is(err, ipc.ErrMismatch) {
			t.Error(err)
		}
		if _, err := ipc.Import[*ipc.Queue[int]](t.Context(), abstract(t)); !errors.Is(err, ipc.ErrMismatch) {
			t.Error(err)
		}
		a, b := pipeOf[string](t, ipc.PipeOptions{})
		exportAt(t, abstract(t)+"-pipe", b)
		if _, err := ipc.Import[*ipc.PipeEnd[[]byte]](t.Context(), abstract(t)+"-pipe"); !errors.Is(err, ipc.ErrMismatch) {
			t.Error(err)
		}
		b.Close()
		_ = a
	})
	t.Run("silence, and a context that ends", func(t *testing.T) {
		ln, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: abstract(t)})
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := ipc.Import[*ipc.Mutex](ctx, abstract(t)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
	t.Run("another user", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root can start a process of another user: NOT TESTED HERE")
		}
		q, err := ipc.NewQueue[string](ipc.QueueOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Discard()
		dir, err := os.MkdirTemp("", "export")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		open := filepath.Join(dir, "open")
		exportAt(t, filepath.Join(dir, "closed"), q)
		exportAt(t, open, q)
		exportAt(t, abstract(t), q)
		if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(open, 0o777)); err != nil {
			t.Fatal(err)
		}
		all := []string{filepath.Join(dir, "closed"), open, abstract(t)}
		memory := 0
		fds, _ := os.ReadDir("/proc/self/fd")
		for _, fd := range fds {
			if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.Contains(to, "futures-family") {
				all = append(all, fmt.Sprintf("fd:/proc/%d/fd/%s", os.Getpid(), fd.Name()))
				memory++
			}
		}
		if memory == 0 {
			t.Error("this process has no memory that could be opened")
		}
		other := startRole(t, "importRefused", strings.Join(all, ","), func(cmd *exec.Cmd) {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Path = readable(t, dir, self)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		})
		other.wants("refused")
	})
}

// readable returns a copy of a program that others can run.
func readable(t *testing.T, dir, program string) string {
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "program")
	if err := os.WriteFile(copied, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return copied
}
