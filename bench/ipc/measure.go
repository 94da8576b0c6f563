package ipc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
)

// An adapter is what a peer in Go offers; what it does not, is nil.
type adapter struct {
	// connect starts a process that serves at the other end of a channel for messages
	// of a size.
	connect func(size int) (end, error)
	// crowd makes a channel with two producers, of which this process is one, and two
	// consumers.
	crowd func(size int) (crowd, error)
	// records is connect for small structs.
	records func() (records, error)
	// locks and adds let processes, of which this is one, lock or add at the same
	// time.
	locks, adds func(processes int) (contest, error)
	// lending makes a lock with which processes can be killed.
	lending func() (lending, error)
	// memory starts a process that looks into memory.
	memory func() (memory, error)
}

// A crowd is a channel with two producers and two consumers.
type crowd interface {
	// run lets each producer send n messages and each consumer take n, and returns
	// what the consumers have taken.
	run(size, n int) ([]tally, error)
	close() error
}

// A contest is a number of processes, of which this is one, that do the same.
type contest interface {
	// run lets them all do it from a time until another, and returns what they have
	// done together, which is checked.
	run(start, end time.Time) (share, error)
	close() error
}

// A memory makes objects that a process looks into.
type memory interface {
	create(data []byte) (object, error)
	// attach lets the process open all objects, which it has not seen before, look
	// into each and let go of it, and returns how long one took.
	attach(objects []object, want view) (time.Duration, error)
	close() error
}

type object interface {
	// look hands the object to the process and returns what that has seen.
	look() (view, error)
	close() error
}

// answers fills what the adapter offers into a system.
func (a adapter) answers(s harness.System) harness.System {
	s.Answers = make(map[string]harness.Run)
	if a.connect != nil {
		s.Answers[messages] = a.messages
		s.Answers[bySize] = a.messages
		s.Answers[roundTrip] = a.roundTrip
	}
	if a.records != nil {
		s.Answers[structs] = a.recordRate
	}
	if a.locks != nil {
		s.Answers[lock] = contestOf(a.locks)
	}
	if a.adds != nil {
		s.Answers[add] = contestOf(a.adds)
	}
	if a.lending != nil {
		s.Answers[inherit] = a.inherit
	}
	if a.memory != nil {
		s.Answers[handle] = a.handOver
		s.Answers[create] = a.create
	}
	return s
}

// messages measures messages a second, from one process to another or from two to
// two.
func (a adapter) messages(_ context.Context, p harness.Params) ([]float64, error) {
	if p.Workers > 1 {
		if a.crowd == nil {
			return nil, harness.Decline("each end is for one process at a time")
		}
		c, err := a.crowd(p.Payload)
		if err != nil {
			return nil, err
		}
		rate, err := growing(p, func(n int) error { return crowded(c, p.Payload, n) })
		return []float64{2 * rate}, errors.Join(err, c.close())
	}
	e, err := a.connect(p.Payload)
	if err != nil {
		return nil, err
	}
	rate, err := growing(p, func(n int) error {
		if err := e.send(order(orderTake, p.Payload, n)); err != nil {
			return err
		}
		if err := give(e, 0, p.Payload, n); err != nil {
			return err
		}
		b, err := e.recv(nil)
		if err == nil && (len(b) != 8 || binary.LittleEndian.Uint64(b) != uint64(n)) {
			err = fmt.Errorf("a tally of %x for %d messages", b, n)
		}
		return err
	})
	return []float64{rate}, errors.Join(err, e.close())
}

// growing calls run with more and more until that takes about p.Time, and returns
// how many that are in a second.
func growing(p harness.Params, run func(n int) error) (float64, error) {
	n := min(max(16*mib/p.Payload, 2), 256)
	if err := run(min(n, 16)); err != nil {
		return 0, err
	}
	for {
		start := time.Now()
		err := run(n)
		took := time.Since(start)
		if err != nil || took >= p.Time*2/3 {
			return float64(n) / took.Seconds(), err
		}
		n = int(float64(n) * min(max(1.1*float64(p.Time)/float64(took), 1.5), 20))
	}
}

// crowded sends n messages from each producer and checks that each has arrived.
func crowded(c crowd, size, n int) error {
	tallies, err := c.run(size, n)
	if err != nil {
		return err
	}
	var counts, sums [2]int64
	for _, t := range tallies {
		for i := range counts {
			counts[i] += t.Counts[i]
			sums[i] += t.Sums[i]
		}
	}
	each := int64(n)
	if counts != [2]int64{each, each} || sums != [2]int64{each * (each - 1) / 2, each * (each - 1) / 2} {
		return fmt.Errorf("of 2 x %d messages %d arrived, with the sums %d", n, counts, sums)
	}
	return nil
}

func (a adapter) roundTrip(_ context.Context, p harness.Params) ([]float64, error) {
	const size = 16
	e, err := a.connect(size)
	if err != nil {
		return nil, err
	}
	times, err := roundTrips(e, size, p.Time)
	if err := errors.Join(err, e.close()); err != nil {
		return nil, err
	}
	times = times[len(times)/5:] // the beginning is to warm up
	slices.Sort(times)
	return []float64{harness.Quantile(times, 0.5), harness.Quantile(times, 0.99)}, nil
}

// roundTrips returns how long each of some messages took there and back, in us.
func roundTrips(e end, size int, d time.Duration) (times []float64, err error) {
	if err := e.send(order(orderEcho, size, 0)); err != nil {
		return nil, err
	}
	b, room := make([]byte, size), make([]byte, size)
	for began := time.Now(); len(times) < 100 || time.Since(began) < d; {
		binary.LittleEndian.PutUint64(b, uint64(len(times)))
		start := time.Now()
		if err := e.send(b); err != nil {
			return nil, err
		}
		got, err := e.recv(room)
		if err != nil {
			return nil, err
		}
		times = append(times, float64(time.Since(start))/float64(time.Microsecond))
		if string(got) != string(b) {
			return nil, fmt.Errorf("%x came back as %x", b, got)
		}
	}
	if err := e.send([]byte{0}); err != nil {
		return nil, err
	}
	_, err = e.recv(room)
	return times, err
}

// contestOf measures the time from one operation to the next, by whichever process.
func contestOf(make func(processes int) (contest, error)) harness.Run {
	return func(_ context.Context, p harness.Params) ([]float64, error) {
		c, err := make(p.Workers)
		if err != nil {
			return nil, err
		}
		start := time.Now().Add(10 * time.Millisecond)
		all, err := c.run(start, start.Add(p.Time))
		if err := errors.Join(err, c.close()); err != nil {
			return nil, err
		}
		if all.N == 0 {
			return nil, errors.New("nobody has done anything")
		}
		return []float64{float64(time.Second) / all.Rate}, nil
	}
}

// handOver measures how long it takes until a process has looked into an object, the
// first time and later, in us.
func (a adapter) handOver(_ context.Context, p harness.Params) ([]float64, error) {
	m, err := a.memory()
	if err != nil {
		return nil, err
	}
	first, later, err := handOvers(m, p)
	if err := errors.Join(err, m.close()); err != nil {
		return nil, err
	}
	slices.Sort(first)
	slices.Sort(later)
	return []float64{harness.Quantile(first, 0.5), harness.Quantile(later, 0.5)}, nil
}

func handOvers(m memory, p harness.Params) (first, later []float64, err error) {
	const laterLooks = 5
	small, smallWant := dataOf(leastMessage)
	known, err := m.create(small)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, known.close()) }()
	look := func(o object, want view) (float64, error) {
		start := time.Now()
		got, err := o.look()
		took := float64(time.Since(start)) / float64(time.Microsecond)
		if err == nil && got != want {
			err = fmt.Errorf("looked and saw %v, not %v", got, want)
		}
		return took, err
	}
	one := func(data []byte, want view) (err error) {
		o, err := m.create(data)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, o.close()) }()
		// Whoever has slept while the memory was filled is awake again.
		for range 20 {
			if _, err := look(known, smallWant); err != nil {
				return err
			}
		}
		for i := range 1 + laterLooks {
			took, err := look(o, want)
			if err != nil {
				return err
			}
			if i == 0 {
				first = append(first, took)
			} else {
				later = append(later, took)
			}
		}
		return nil
	}
	if err := one(small, smallWant); err != nil {
		return nil, nil, err
	}
	first, later = nil, nil // that was to warm up
	data, want := dataOf(p.Payload)
	for began := time.Now(); len(first) == 0 || time.Since(began) < p.Time; {
		if err := one(data, want); err != nil {
			return nil, nil, err
		}
	}
	return first, later, nil
}

// create measures how long it takes to make and fill an object and to open it in
// another process, in us.
func (a adapter) create(_ context.Context, p harness.Params) ([]float64, error) {
	m, err := a.memory()
	if err != nil {
		return nil, err
	}
	making, attaching, err := creations(m, p.Payload)
	if err := errors.Join(err, m.close()); err != nil {
		return nil, err
	}
	slices.Sort(making)
	return []float64{harness.Quantile(making, 0.5), float64(attaching) / float64(time.Microsecond)}, nil
}

func creations(m memory, size int) (making []float64, attaching time.Duration, err error) {
	data, want := dataOf(size)
	var objects []object
	defer func() {
		for _, o := range objects {
			err = errors.Join(err, o.close())
		}
	}()
	for range 20 {
		start := time.Now()
		o, err := m.create(data)
		if err != nil {
			return nil, 0, err
		}
		making = append(making, float64(time.Since(start))/float64(time.Microsecond))
		objects = append(objects, o)
	}
	attaching, err = m.attach(objects, want)
	return making, attaching, err
}
