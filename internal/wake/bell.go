package wake

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// Bell wakes a goroutine that waits, in this process or another: the owner of the
// bell waits, whoever has its descriptor rings. It keeps one ring (W2).
type Bell struct {
	fd int // an eventfd; closed by free

	// users counts those who use fd now, so that it is not closed under one of them
	// and its number given to another file. Close adds closing, which makes it
	// negative and keeps others out; whoever leaves last calls free.
	users atomic.Int32

	mu  sync.Mutex // held while ear is made and while Close decides
	ear atomic.Pointer[ear]

	order hb // tells the race detector that a ring happens before what it wakes
}

// ear is the waiting side. It is made by the first Wait, because every process in
// whose poller a descriptor is registered is interrupted by every ring.
type ear struct {
	file *os.File        // owns fd from now on
	conn syscall.RawConn // of file
	hear func(fd uintptr) bool
	heed heed // of hear; guarded by file's read lock
}

const closing = -1 << 31

// NewBell makes a bell.
func NewBell() (*Bell, error) {
	fd, err := newEvent()
	if err != nil {
		return nil, fmt.Errorf("wake: new bell: %w", err)
	}
	return &Bell{fd: fd}, nil
}

// OpenBell makes a bell of a descriptor that came from the bell of another
// process. On success the bell owns it and marks it close-on-exec. On failure it is
// still the caller's.
func OpenBell(fd int) (*Bell, error) {
	if err := inspectEvent(fd); err != nil {
		return nil, fmt.Errorf("wake: open bell: descriptor %d: %w", fd, err)
	}
	return &Bell{fd: fd}, nil
}

// Ring wakes whoever waits, or else the next who will. It never blocks (W3). After
// Close it does nothing.
func (b *Bell) Ring() {
	if b.enter() {
		b.order.release()
		ringEvent(b.fd)
		b.leave()
	}
}

// Wait returns when the bell has been rung since the last Wait that returned. It
// blocks the goroutine, not a thread (W4). Several may wait; what one of them has
// heard, the others have not. After Close, the error wraps os.ErrClosed.
func (b *Bell) Wait() error {
	e, err := b.listen()
	if err == nil {
		err = e.conn.Read(e.hear)
	}
	if err != nil {
		if b.closed() {
			err = os.ErrClosed
		}
		return fmt.Errorf("wake: bell: %w", err)
	}
	b.order.acquire()
	return nil
}

// FD returns the descriptor, for passing it to another process, or -1 after Close.
// The bell still owns it: it is valid only as long as nobody calls Close.
func (b *Bell) FD() int {
	if b.closed() {
		return -1
	}
	return b.fd
}

// File returns a duplicate of the descriptor, which the caller closes. While it is
// open, its place in the poller makes every ring a little dearer.
func (b *Bell) File() (*os.File, error) {
	if !b.enter() {
		return nil, fmt.Errorf("wake: bell: %w", os.ErrClosed)
	}
	defer b.leave()
	file, err := duplicate(b.fd)
	if err != nil {
		return nil, fmt.Errorf("wake: bell: %w", err)
	}
	return file, nil
}

// Close ends all waits of this process, with an error, and closes the descriptor.
// Other processes are not told. A second Close does nothing.
func (b *Bell) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed() {
		return nil
	}
	if b.users.Add(closing) != closing {
		return nil // the last user frees
	}
	return b.free()
}

func (b *Bell) closed() bool { return b.users.Load() < 0 }

// enter keeps the descriptor open until leave, unless the bell is closed.
func (b *Bell) enter() bool {
	for {
		n := b.users.Load()
		if n < 0 {
			return false
		}
		if b.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (b *Bell) leave() {
	if b.users.Add(-1) == closing {
		_ = b.free()
	}
}

// free is called once, when nobody rings and nobody will.
func (b *Bell) free() error {
	if e := b.ear.Load(); e != nil {
		return e.file.Close()
	}
	return closeFD(b.fd)
}

func (b *Bell) listen() (*ear, error) {
	if e := b.ear.Load(); e != nil {
		return e, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.ear.Load(); e != nil {
		return e, nil
	}
	if b.closed() {
		return nil, os.ErrClosed
	}
	// Only a file that does not block gets into the poller.
	if err := unblock(b.fd); err != nil {
		return nil, err
	}
	e := &ear{file: os.NewFile(uintptr(b.fd), "bell")}
	conn, err := e.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	e.conn = conn
	e.hear = func(fd uintptr) bool { return hearEvent(int(fd), &e.heed) }
	b.ear.Store(e)
	return e, nil
}
