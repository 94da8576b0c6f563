package ipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// local is an end whose other side is a goroutine of this process.
type local struct {
	to, from chan []byte
	spoil    func(i int, b []byte) [][]byte // what becomes of the i-th message here
	sent     int
	served   chan error
}

func connectLocal(spoil func(i int, b []byte) [][]byte) (end, error) {
	l := &local{to: make(chan []byte, 16), from: make(chan []byte, 16), spoil: spoil, served: make(chan error, 1)}
	go func() {
		l.served <- serveOther(&local{to: l.from, from: l.to, spoil: keep})
		close(l.from)
		for range l.to { // whoever sends goes on
		}
	}()
	return l, nil
}

func keep(_ int, b []byte) [][]byte { return [][]byte{b} }

func (l *local) send(b []byte) error {
	for _, b := range l.spoil(l.sent, b) {
		l.to <- bytes.Clone(b)
	}
	l.sent++
	return nil
}

func (l *local) recv([]byte) ([]byte, error) {
	b, ok := <-l.from
	if !ok {
		return nil, io.EOF
	}
	return b, nil
}

func (l *local) close() error {
	l.spoil = keep
	err := l.send(order(orderEnd, 0, 0))
	close(l.to)
	return errors.Join(err, <-l.served)
}

// TestWrongMessages: a channel that loses, doubles, swaps or changes messages fails.
func TestWrongMessages(t *testing.T) {
	p := harness.Params{Workers: 1, Payload: 16, Time: time.Millisecond, Quick: true}
	var held []byte
	for name, spoil := range map[string]func(i int, b []byte) [][]byte{
		"nothing": keep,
		"loses":   func(i int, b []byte) [][]byte { return [][]byte{b}[:min(1, (i+1)%10)] },
		"doubles": func(i int, b []byte) [][]byte { return [][]byte{b, b}[:1+i%10/9] },
		"swaps": func(i int, b []byte) [][]byte {
			switch i {
			case 5:
				held = bytes.Clone(b)
				return nil
			case 6:
				return [][]byte{b, held}
			}
			return [][]byte{b}
		},
		"changes": func(i int, b []byte) [][]byte {
			if i == 7 {
				b = bytes.Clone(b)
				b[0]++
			}
			return [][]byte{b}
		},
		"cuts": func(i int, b []byte) [][]byte { return [][]byte{b[:len(b)-i%10/9]} },
	} {
		a := adapter{connect: func(int) (end, error) { return connectLocal(spoil) }}
		for question, run := range a.answers(harness.System{}).Answers {
			if question == roundTrip && (name == "loses" || name == "swaps") {
				continue // it waits
			}
			values, err := run(t.Context(), p)
			if good := err == nil && values[0] > 0; good != (name == "nothing") {
				t.Errorf("%s of a channel that spoils messages, %s: %v, %v", question, name, values, err)
			}
		}
	}
}

// fakeCrowd says of its consumers what it likes.
type fakeCrowd func(n int64) []tally

func (f fakeCrowd) run(_, n int) ([]tally, error) { return f(int64(n)), nil }
func (f fakeCrowd) close() error                  { return nil }

// TestWrongCrowd: a queue of four processes that loses or doubles something fails.
func TestWrongCrowd(t *testing.T) {
	sum := func(n int64) int64 { return n * (n - 1) / 2 }
	for name, crowd := range map[string]fakeCrowd{
		"nothing": func(n int64) []tally {
			return []tally{{Counts: [2]int64{n, 0}, Sums: [2]int64{sum(n), 0}}, {Counts: [2]int64{0, n}, Sums: [2]int64{0, sum(n)}}}
		},
		"one is lost": func(n int64) []tally {
			return []tally{{Counts: [2]int64{n, n - 1}, Sums: [2]int64{sum(n), sum(n - 1)}}}
		},
		"one stands for other": func(n int64) []tally { return []tally{{Counts: [2]int64{n, n}, Sums: [2]int64{sum(n), sum(n) + 1}}} },
	} {
		if err := crowded(crowd, 16, 100); (err == nil) != (name == "nothing") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTally: two producers may mix, and each keeps its order.
func TestTally(t *testing.T) {
	message := func(producer byte, i uint64) []byte {
		b := binary.LittleEndian.AppendUint64(nil, i)
		return append(b, producer, byte(i))
	}
	for _, test := range []struct {
		name     string
		messages [][]byte
		good     bool
	}{
		{"mixed", [][]byte{message(0, 0), message(1, 0), message(1, 1), message(0, 3)}, true},
		{"out of order", [][]byte{message(0, 1), message(0, 0)}, false},
		{"twice", [][]byte{message(1, 1), message(1, 1)}, false},
		{"torn", [][]byte{append(message(0, 1)[:9], 7)}, false},
	} {
		from := make(chan []byte, len(test.messages))
		for _, m := range test.messages {
			from <- m
		}
		var got tally
		if err := got.take(&local{from: from}, leastMessage, len(test.messages), false); (err == nil) != test.good {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// fakeMemory has a process that sees what it likes.
type fakeMemory struct{ seen view }

func (f fakeMemory) create([]byte) (object, error) { return f, nil }
func (f fakeMemory) look() (view, error)           { return f.seen, nil }
func (f fakeMemory) close() error                  { return nil }
func (f fakeMemory) attach(objects []object, want view) (time.Duration, error) {
	return 1, seen([]view{f.seen}, 1, want)
}

// TestWrongMemory: a process that sees something else than there is fails.
func TestWrongMemory(t *testing.T) {
	for _, v := range []view{{}, {1, 3, leastMessage}, {1, 2, leastMessage + 1}} {
		a := adapter{memory: func() (memory, error) { return fakeMemory{v}, nil }}
		for question, run := range a.answers(harness.System{}).Answers {
			if values, err := run(t.Context(), harness.Params{Payload: leastMessage, Time: time.Millisecond}); err == nil {
				t.Errorf("%s of a process that sees %v: measured %v", question, v, values)
			}
		}
	}
}

// fakeContest counts what it likes.
type fakeContest struct{ count, shared int64 }

func (f fakeContest) run(start, end time.Time) (share, error) {
	return share{f.count, 1}, counted(f.shared, f.count)
}
func (f fakeContest) close() error { return nil }

// TestWrongContest: an addition that is lost, and a contest in which nobody did
// anything, fail.
func TestWrongContest(t *testing.T) {
	for _, f := range []fakeContest{{10, 9}, {0, 0}, {10, 10}} {
		values, err := contestOf(func(int) (contest, error) { return f, nil })(t.Context(), harness.Params{Workers: 2, Time: time.Millisecond})
		if good := f.count > 0 && f.count == f.shared; good != (err == nil) {
			t.Errorf("%+v: %v, %v", f, values, err)
		}
	}
}

// TestStream: messages come out of a stream as they went in.
func TestStream(t *testing.T) {
	var pipe bytes.Buffer
	s := newStream(&pipe, &pipe)
	sizes := []int{0, 1, 16, 200 * kib}
	for _, n := range sizes {
		if err := s.send(bytes.Repeat([]byte{byte(n + 1)}, n)); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range sizes {
		if b, err := s.recv(make([]byte, 8)); err != nil || !bytes.Equal(b, bytes.Repeat([]byte{byte(n + 1)}, n)) {
			t.Errorf("%d bytes became %d, %v", n, len(b), err)
		}
	}
}
