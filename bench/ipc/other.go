package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A side is what a process has of a channel in both directions.
type side interface {
	send(b []byte) error
	// recv returns the next message, in buf if that has room.
	recv(buf []byte) ([]byte, error)
}

// An end is a side with a process at the other one, which serves; close ends it.
type end interface {
	side
	close() error
}

// The orders that a process that serves is given. An order is a message of orderSize
// bytes: what to do, the size of messages, and how many.
const (
	orderTake = 't' // take messages and send the tally
	orderEcho = 'e' // send messages back, until one of a byte
	orderEnd  = 'q'

	orderSize = 17
)

func order(what byte, size, n int) []byte {
	b := binary.LittleEndian.AppendUint64([]byte{what}, uint64(size))
	return binary.LittleEndian.AppendUint64(b, uint64(n))
}

// serveOther does what it is told, in the process at the other end.
func serveOther(s side) error {
	for {
		b, err := s.recv(nil)
		if err != nil {
			return err
		}
		if len(b) != orderSize {
			return fmt.Errorf("an order of %d bytes", len(b))
		}
		size, n := int(binary.LittleEndian.Uint64(b[1:])), int(binary.LittleEndian.Uint64(b[9:]))
		switch b[0] {
		case orderTake:
			var t tally
			if err = t.take(s, size, n, true); err == nil {
				err = s.send(binary.LittleEndian.AppendUint64(nil, uint64(t.Counts[0])))
			}
		case orderEcho:
			err = echo(s)
		case orderEnd:
			return nil
		default:
			err = errors.New("an order that is none")
		}
		if err != nil {
			return err
		}
	}
}

func echo(s side) error {
	var b []byte
	for len(b) != 1 {
		var err error
		if b, err = s.recv(b[:cap(b)]); err == nil {
			err = s.send(b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// A message has its number in its first 8 bytes, then its producer; its last byte is
// that of its number.
const leastMessage = 10

// give sends n messages of a producer.
func give(s side, producer byte, size, n int) error {
	b := make([]byte, size)
	b[8] = producer
	for i := range n {
		binary.LittleEndian.PutUint64(b, uint64(i))
		b[size-1] = byte(i)
		if err := s.send(b); err != nil {
			return err
		}
	}
	return nil
}

// A tally is what a consumer has taken of each producer.
type tally struct {
	Counts [2]int64
	Sums   [2]int64 // of the numbers of the messages
}

// take takes n messages. Those of each producer come in order; alone, a consumer gets
// every one of them.
func (t *tally) take(s side, size, n int, alone bool) error {
	var b []byte
	var last [2]int64 // the last number and 1
	for range n {
		var err error
		if b, err = s.recv(b[:cap(b)]); err != nil {
			return err
		}
		if len(b) != size {
			return fmt.Errorf("a message of %d bytes, not %d", len(b), size)
		}
		i, producer := int64(binary.LittleEndian.Uint64(b)), b[8]&1
		if i < last[producer] || alone && i > last[producer] || b[size-1] != byte(i) {
			return fmt.Errorf("message %d of producer %d after %d: lost, out of order, or torn", i, producer, last[producer]-1)
		}
		t.Counts[producer]++
		t.Sums[producer] += i
		last[producer] = i + 1
	}
	return nil
}

// A share is what a process has done of something.
type share struct {
	N    int64
	Rate float64 // a second, while it was at it
}

func (s share) plus(t share) share { return share{s.N + t.N, s.Rate + t.Rate} }

// during calls batch, which does something batchSize times, from a time until
// another, and at least once: who was not let on a processor is late.
func during(start, end time.Time, batch func()) share {
	for time.Now().Before(start) {
	}
	began := time.Now()
	n := int64(0)
	for {
		batch()
		n += batchSize
		if now := time.Now(); now.After(end) {
			return share{n, float64(n) / now.Sub(began).Seconds()}
		}
	}
}

const batchSize = 100

// checkedLocks is how often each process locks to add to a plain number.
const checkedLocks = 1000

// A view is what a process has seen of memory.
type view struct {
	First, Last byte
	Size        int
}

func viewOf(b []byte) view { return view{b[0], b[len(b)-1], len(b)} }

// dataOf returns what memory is filled with.
func dataOf(size int) (data []byte, want view) {
	data = make([]byte, size)
	data[0], data[size-1] = 1, 2
	return data, view{1, 2, size}
}

// seen returns an error if processes have not seen what is there.
func seen(views []view, n int, want view) error {
	if len(views) != n {
		return fmt.Errorf("%d objects were seen, not %d", len(views), n)
	}
	for _, v := range views {
		if v != want {
			return fmt.Errorf("a process has seen %v, not %v", v, want)
		}
	}
	return nil
}

// counted returns an error if a number that processes have shared is not what they
// have made of it.
func counted(got, want int64) error {
	if got != want {
		return fmt.Errorf("the shared number is %d, the processes have counted %d", got, want)
	}
	return nil
}
