package procpool

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/futures-go/futures/internal/arena"
	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/taskring"
)

// The two ways in which a worker gets its tasks: frames, and the ring.

// runFrame runs the task of a TASK frame and answers with a RESULT.
func (s *server) runFrame(f frame) {
	h, name, values, argument, err := parseTask(f.payload)
	if err != nil {
		s.leave(exitProtocol, err)
		select {}
	}
	assert.Reach("TASK read, STARTED not sent")
	if err := s.out.write(frameStarted, 0, f.id); err != nil {
		s.leave(exitSetup, err)
		select {}
	}
	assert.Reach("STARTED sent")
	c := &call{
		server: s, id: f.id, name: name, attempt: int(h.attempt),
		timeout: time.Duration(h.timeout), deadline: unixTime(h.deadline),
		context: values, argument: argument, batch: f.flags&taskIsBatch != 0,
	}
	reply := func(kind resultKind, payload []byte) {
		s.running.Store(false)
		assert.Reach("RESULT not sent")
		if err := s.out.write(frameResult, uint8(kind), f.id, payload); err != nil {
			s.leave(exitSetup, err)
		}
		assert.Reach("RESULT sent")
	}
	c.execute(&answer{
		value: func(out any) (err error) {
			if s.result, err = appendValue(s.result[:0], out); err != nil {
				return err
			}
			if len(s.result) > maxFrame {
				return fmt.Errorf("%d bytes, at most %d", len(s.result), maxFrame)
			}
			reply(resultValue, s.result)
			if cap(s.result) > keptBuffer {
				s.result = nil
			}
			return nil
		},
		failed: reply,
	})
}

// keptBuffer is how large a buffer a worker keeps between tasks.
const keptBuffer = 1 << 20

func unixTime(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// pull runs tasks from the ring until the worker is to go.
func (s *server) pull() {
	p := &pulled{server: s, claim: new(taskring.Claim)}
	p.answer = answer{value: p.value, failed: p.record}
	for s.left != 0 && s.ring.Next(p.claim) {
		s.left-- // before the task, which may end the goroutine
		s.runClaim(p)
	}
}

// pulled is where the outcome of a claimed task goes.
type pulled struct {
	server *server
	claim  *taskring.Claim
	answer answer
	block  []byte // the task's block, nil if it has none
}

func (s *server) runClaim(p *pulled) {
	claim := p.claim
	payload, block, err := s.payload(claim)
	if err != nil {
		s.leave(exitProtocol, err)
		select {}
	}
	p.block = block
	c := &call{
		server: s, id: claim.ID(), name: s.nameOf(claim.Function), attempt: int(claim.Attempt),
		timeout: time.Duration(claim.Timeout), deadline: unixTime(claim.Deadline),
		context: payload[:claim.Context], argument: payload[claim.Context:],
	}
	if claim.Flags&taskring.Batch != 0 {
		c.batch, c.progress = true, func(i int) { s.ring.Progress(claim, i) }
	}
	s.ring.Begin(claim)
	c.execute(&p.answer)
}

// payload returns the bytes of a claimed task, and its block.
func (s *server) payload(c *taskring.Claim) (payload, block []byte, err error) {
	if c.Size > 0 {
		if block, err = arena.View(s.arena, c.Block, c.Size); err != nil {
			return nil, nil, err
		}
	}
	payload = c.Payload[:]
	if c.Flags&taskring.InBlock != 0 {
		payload = block
	}
	if c.Length > uint64(len(payload)) || uint64(c.Context) > c.Length {
		return nil, nil, fmt.Errorf("%w: task of %d bytes, %d of them context, in %d", taskring.ErrCorrupt, c.Length, c.Context, len(payload))
	}
	return payload[:c.Length:c.Length], block, nil
}

// value puts the value where it fits: into the slot, into the task's block, into one
// that the parent lends, or else into a frame.
//
// How long it will be is known only roughly. A block is asked for first, which takes a round
// trip of frames, only for what is long to copy; the rest is encoded here and then copied.
func (p *pulled) value(out any) error {
	s := p.server
	inline := s.ring.Inline(p.claim)
	hint := valueHint(out)
	if hint > len(p.block) && hint > mostHint {
		p.block = s.borrow(p.claim, hint)
	}
	buf := inline[:0:len(inline)]
	switch {
	case hint > len(inline) && hint <= len(p.block):
		buf = p.block[:0:len(p.block)]
	case hint > len(inline):
		buf = s.result[:0]
	}
	b, err := appendValue(buf, out)
	if err != nil {
		return err
	}
	if hint > len(inline) && hint > len(p.block) && cap(b) <= keptBuffer {
		s.result = b
	}
	switch {
	case within(b, p.block):
		s.ring.Complete(p.claim, uint32(resultValue)|resultInBlock, uint64(len(b)))
	case len(b) <= len(inline):
		copy(inline, b) // onto itself, if it is there
		s.ring.Complete(p.claim, uint32(resultValue), uint64(len(b)))
	default:
		return p.bytes(resultValue, b)
	}
	return nil
}

// within reports whether b lies at the beginning of block, where append has put it if there
// was room.
func within(b, block []byte) bool {
	return len(b) > 0 && len(b) <= len(block) && &b[0] == &block[0]
}

// record puts an error record where it fits.
func (p *pulled) record(kind resultKind, record []byte) {
	inline := p.server.ring.Inline(p.claim)
	if len(record) <= len(inline) {
		copy(inline, record)
		p.server.ring.Complete(p.claim, uint32(kind), uint64(len(record)))
		return
	}
	_ = p.bytes(kind, record) // records are never too large
}

// resultInBlock is added to the kind of a result that is in the task's block.
const resultInBlock = 1 << 8

// bytes delivers what is too large for the slot, unless it is too large for a frame.
func (p *pulled) bytes(kind resultKind, b []byte) error {
	s := p.server
	if len(b) > maxFrame {
		return fmt.Errorf("%d bytes, at most %d", len(b), maxFrame)
	}
	if len(b) > len(p.block) {
		p.block = s.borrow(p.claim, len(b))
	}
	if len(b) <= len(p.block) {
		copy(p.block, b)
		s.ring.Complete(p.claim, uint32(kind)|resultInBlock, uint64(len(b)))
		return nil
	}
	// There is no room in the shared memory. The frame takes the place of the
	// completion, and the slot is the parent's when it has read it.
	if err := s.out.write(frameResult, uint8(kind), p.claim.ID(), b); err != nil {
		s.leave(exitSetup, err)
		select {}
	}
	s.ring.Abandon()
	return nil
}

// borrow asks the parent for a block of so many bytes, to use instead of the one that
// the task has. It returns nil if there is none.
func (s *server) borrow(c *taskring.Claim, size int) []byte {
	if err := s.out.write(frameNeed, 0, c.ID(), binary.LittleEndian.AppendUint64(nil, uint64(size))); err != nil {
		s.leave(exitSetup, err)
		select {}
	}
	assert.Reach("NEED sent")
	f := <-s.grants
	offset, length, err := parseBlock(f.payload)
	if err == nil && length == 0 {
		return nil
	}
	var block []byte
	if err == nil {
		block, err = arena.View(s.arena, offset, length)
	}
	if err != nil {
		s.leave(exitProtocol, err)
		select {}
	}
	return block
}
