package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapped is a memfd that is mapped here.
type mapped struct {
	file *os.File
	data []byte
}

// newMapped makes memory of a size.
func newMapped(size int) (*mapped, error) {
	fd, err := unix.MemfdCreate("bench", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), "memfd")
	if err := file.Truncate(int64(size)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	m, err := mapFile(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return m, nil
}

// mapFile maps all of a memfd.
func mapFile(file *os.File) (*mapped, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	data, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	return &mapped{file, data}, nil
}

func (m *mapped) close() error { return errors.Join(unix.Munmap(m.data), m.file.Close()) }

// word returns the 64 bits at an offset, which is a multiple of 8.
func (m *mapped) word(offset int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&m.data[offset]))
}

// ring is a ring of messages with one producer and one consumer. Its counters only
// grow. A message is 8 bytes of length and itself, rounded up to 8, in one piece;
// skipMark as a length says that the next one is at the beginning.
type ring struct {
	head *atomic.Uint64 // what was taken; the consumer's
	tail *atomic.Uint64 // what was put; the producer's
	data []byte

	seen uint64 // head for the producer, tail for the consumer, as it was last loaded
	at   uint64 // tail for the producer, head for the consumer
	wait func() error
}

const (
	ringHead = 128 // bytes before the data: two words, a cache line each
	skipMark = ^uint64(0)
)

// ringSize returns how many bytes of data a ring has for messages of a size.
func ringSize(size int) int {
	n := mib
	for n < 4*size {
		n *= 2
	}
	return n
}

// ringAt returns the ring at an offset of a mapping, where there are zeros at first.
func ringAt(m *mapped, offset, size int, wait func() error) *ring {
	return &ring{
		head: m.word(offset), tail: m.word(offset + 64),
		data: m.data[offset+ringHead : offset+ringHead+size], wait: wait,
	}
}

func (r *ring) put(b []byte) error {
	size, need := uint64(len(r.data)), uint64(8+len(b)+7)&^7
	if need > size/2 {
		return fmt.Errorf("a message of %d bytes in a ring of %d", len(b), size)
	}
	if left := size - r.at%size; left < need {
		if err := r.room(left); err != nil {
			return err
		}
		binary.LittleEndian.PutUint64(r.data[r.at%size:], skipMark)
		r.at += left
	}
	if err := r.room(need); err != nil {
		return err
	}
	at := r.at % size
	binary.LittleEndian.PutUint64(r.data[at:], uint64(len(b)))
	copy(r.data[at+8:], b)
	r.at += need
	r.tail.Store(r.at)
	return nil
}

// room waits until n bytes are free.
func (r *ring) room(n uint64) error {
	for spins := 0; r.at+n-r.seen > uint64(len(r.data)); spins++ {
		if spins > ringSpins {
			// What was put before a skip mark is to be seen.
			r.tail.Store(r.at)
			if err := r.wait(); err != nil {
				return err
			}
		}
		r.seen = r.head.Load()
	}
	return nil
}

// ringSpins is how often a side looks before it lets others run.
const ringSpins = 100

func (r *ring) get(buf []byte) ([]byte, error) {
	size := uint64(len(r.data))
	for {
		for spins := 0; r.at == r.seen; spins++ {
			if spins > ringSpins {
				if err := r.wait(); err != nil {
					return nil, err
				}
			}
			r.seen = r.tail.Load()
		}
		at := r.at % size
		n := binary.LittleEndian.Uint64(r.data[at:])
		if n == skipMark {
			r.at += size - at
			r.head.Store(r.at)
			continue
		}
		if uint64(len(buf)) < n {
			buf = make([]byte, n)
		}
		copy(buf, r.data[at+8:at+8+n])
		r.at += (8 + n + 7) &^ 7
		r.head.Store(r.at)
		return buf[:n], nil
	}
}
