package ipc

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
)

// TestRing: messages of all sizes come out of a ring in their order and whole, also
// when its counters wrap around.
func TestRing(t *testing.T) {
	const size = 4096
	m, err := newMapped(ringHead + size)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.close(); err != nil {
			t.Error(err)
		}
	}()
	wait := func() error { runtime.Gosched(); return nil }
	in, out := ringAt(m, 0, size, wait), ringAt(m, 0, size, wait)
	for _, r := range []*ring{in, out} {
		r.at = ^uint64(0) - 10*size + 1
		r.seen = r.at
	}
	in.head.Store(in.at)
	in.tail.Store(in.at)

	const seed, many = 1, 10_000
	message := func(rnd *rand.Rand, i int) []byte { return bytes.Repeat([]byte{byte(i)}, rnd.IntN(size/2-16)) }
	failed := make(chan error, 1)
	go func() {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var err error
		for i := range many {
			err = errors.Join(err, in.put(message(rnd, i)))
		}
		failed <- err
	}()
	rnd := rand.New(rand.NewPCG(seed, 0))
	room := make([]byte, size/4)
	for i := range many {
		want := message(rnd, i)
		if got, err := out.get(room); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("message %d of %d bytes came as one of %d, %v", i, len(want), len(got), err)
		}
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
	if err := in.put(make([]byte, size)); err == nil {
		t.Error("a message that never fits was put")
	}
}
