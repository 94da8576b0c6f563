package ipc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/family"
	"github.com/futures-go/futures/internal/wake"
)

// The ring of a pipe, one for each direction. Cursors and records are those of ring.go, and
// so is what a death leaves (Q1). It has put and take of its own, because a message may be
// longer than the ring and then comes in pieces, and because what the reader did not ask for
// stays where it is.
//
// A record's payload begins with a word: what it is, in the lowest byte, and above it the
// length of the whole message. Who has P puts all pieces of a message, who has C takes
// them all (PI2).
const (
	pipeBytes      = 0   // of the ring, a power of two, by its creator
	pipeRaw        = 8   // as queueRaw
	pipeUnread     = 16  // 32 bits: 1 when nobody will read any more
	pipeP          = 128 // lock
	pipeTail       = 192 // by who has P
	pipeC          = 256 // lock
	pipeHead       = 320 // by who has C
	pipeRoom       = 384 // wait set of senders
	pipeItems      = 448 // wait set of receivers
	pipeUnreadWait = 512 // wait set of those who hand out files, until pipeUnread
	pipeData       = 4096

	piecePrefix = 8
)

// What a record is.
const (
	pieceWhole = 1 + iota // a message
	pieceFirst            // the beginning of one
	pieceRest             // the next piece of it
	pieceFile             // where a file is to be fetched
)

// mostMessage is a length that no message has.
const mostMessage = 1 << 40

// firstAllocation bounds what is allocated because a length says so (FA5).
const firstAllocation = 256 << 20

var pipeKind = family.Kind{
	Name: "Pipe",
	Repair: func(o *family.Object, dead family.Member) {
		if o.Size() < pipeData {
			return
		}
		p, c := o.LockAt(pipeP), o.LockAt(pipeC)
		p.Bury(dead, false)
		c.Bury(dead, false)
		for _, off := range pipeSets {
			o.WaitSet(off).Bury(dead)
		}
	},
	Wake: wakePipe,
	// What nobody reads any more is of no use, but what the reader has not read yet is:
	// the reader may be on its way.
	Spent: func(o *family.Object) bool {
		return o.Size() < pipeData || o.Word32(pipeUnread).Load() != 0 ||
			o.Word(pipeTail).Load() == o.Word(pipeHead).Load()
	},
}

var pipeSets = []int{pipeRoom, pipeItems, pipeUnreadWait}

func wakePipe(o *family.Object) {
	if o.Size() < pipeData {
		return
	}
	p, c := o.LockAt(pipeP), o.LockAt(pipeC)
	p.Wake()
	c.Wake()
	for _, off := range pipeSets {
		o.WaitSet(off).WakeAll()
	}
}

// pipeRing is the ring as one handle uses it.
type pipeRing struct {
	o    *family.Object // of this handle alone
	data []byte
	mask uint64
	most int // bytes of a message that goes in one piece
	part int // bytes of each piece of a longer one

	p, c        family.Lock
	tail, head  *atomic.Uint64
	room, items family.WaitSet
	unread      family.WaitSet

	headSeen cursor // what head was at least; guarded by p
	tailSeen cursor // likewise; guarded by c

	spinPut, spinTake     wake.Spin
	spinsPut, spinsTaking atomic.Bool // one goroutine spins

	// turn has a value while a goroutine of this handle receives. It guards partial:
	// what has come of a message whose Recv ended before it; while there is some, c is
	// this process's.
	turn    chan struct{}
	partial []byte
	total   int // length of partial's message
	begun   bool
}

// initPipeRing writes the words of a new ring.
func initPipeRing(o *family.Object, size int, raw bool) {
	o.Word(pipeBytes).Store(uint64(size))
	if raw {
		o.Word(pipeRaw).Store(1)
	}
	o.Word(pipeTail).Store(firstCursor.Load())
	o.Word(pipeHead).Store(firstCursor.Load())
}

// openPipeRing returns the ring in an object that is the caller's alone.
func openPipeRing(o *family.Object, raw bool) (*pipeRing, error) {
	if o.Size() < pipeData {
		return nil, fmt.Errorf("%w: a pipe of %d bytes", ErrCorrupt, o.Size())
	}
	size := o.Word(pipeBytes).Load()
	if size == 0 || size&(size-1) != 0 || size > mostQueueBytes || int(size) > o.Size()-pipeData {
		return nil, fmt.Errorf("%w: a ring of %d bytes in %d", ErrCorrupt, size, o.Size())
	}
	if isRaw := o.Word(pipeRaw).Load() == 1; isRaw != raw {
		return nil, fmt.Errorf("%w: one side has bytes, the other has values", ErrMismatch)
	}
	r := &pipeRing{
		o: o, data: o.Bytes()[pipeData:][:size:size], mask: size - 1,
		most: int(size)/2 - recordHead - piecePrefix, part: int(size)/4 - recordHead - piecePrefix,
		p: o.LockAt(pipeP), c: o.LockAt(pipeC),
		tail: o.Word(pipeTail), head: o.Word(pipeHead),
		room: o.WaitSet(pipeRoom), items: o.WaitSet(pipeItems), unread: o.WaitSet(pipeUnreadWait),
		spinPut:  wake.Spin{Max: wake.DefaultSpin, Goroutines: true},
		spinTake: wake.Spin{Max: wake.DefaultSpin, Goroutines: true},
		turn:     make(chan struct{}, 1),
	}
	// The other side may be further, and is never less far.
	r.headSeen = cursor(r.head.Load())
	r.tailSeen = r.headSeen
	r.p.Ended = r.o.Closed
	return r, nil
}

// errNobody says that the ring is closed: one end of the pipe is gone.
var errNobody = errors.New("one end of the pipe is gone")

// lock takes a lock. The way without waiting costs no context.
func (r *pipeRing) lock(w *waiting, l *family.Lock) error {
	if _, ok := l.TryLock(); ok {
		return nil
	}
	_, err := l.Lock(w.context())
	if errors.Is(err, family.ErrEnded) {
		err = errNobody
	}
	return err
}

func (r *pipeRing) hasRoom(tail, head cursor, need uint32) bool {
	return uint64(tail.position()-head.position()+need)*unit <= r.mask+1
}

// roomFor reports whether there is room, to one who does not have P.
func (r *pipeRing) roomFor(need uint32) bool {
	return r.hasRoom(cursor(r.tail.Load()), cursor(r.head.Load()), need)
}

// send puts a message. It returns the count of its last record. If it fails after a piece
// was put, the reader throws that away when the next message begins.
func (r *pipeRing) send(w *waiting, kind byte, message []byte) (count uint32, err error) {
	n := len(message)
	if n >= mostMessage {
		return 0, fmt.Errorf("%w: %d bytes", ErrTooLarge, n)
	}
	if n > r.most {
		n, kind = r.part, pieceFirst
	}
	if err := r.beginPut(w, pieceUnits(n)); err != nil {
		return 0, err
	}
	defer func() {
		_ = r.p.Unlock() // it is ours, unless the memory is corrupt
		if err != nil && r.roomFor(1) {
			r.room.WakeOne() // it may have been for this one
		}
	}()
	count = r.put(kind, len(message), message[:n])
	for rest := message[n:]; len(rest) > 0; rest = rest[n:] {
		assert.Reach("message begun")
		n = min(len(rest), r.part)
		if err := r.awaitRoom(w, pieceUnits(n)); err != nil {
			return 0, err
		}
		count = r.put(pieceRest, len(message), rest[:n])
	}
	return count, nil
}

func pieceUnits(n int) uint32 { return units(piecePrefix + n) }

// beginPut returns with P, and with room for a piece.
func (r *pipeRing) beginPut(w *waiting, need uint32) error {
	for {
		if err := r.lock(w, &r.p); err != nil {
			return err
		}
		if r.o.Closed() {
			_ = r.p.Unlock()
			return errNobody
		}
		tail := cursor(r.tail.Load())
		if r.hasRoom(tail, r.headSeen, need) {
			return nil
		}
		r.headSeen = cursor(r.head.Load())
		if r.hasRoom(tail, r.headSeen, need) {
			return nil
		}
		_ = r.p.Unlock()
		if err := r.awaitRoom(w, need); err != nil {
			return err
		}
	}
}

// awaitRoom waits for room. It calls nothing that waits for something else, because its
// place in the wait set may get wake-ups meanwhile.
func (r *pipeRing) awaitRoom(w *waiting, need uint32) error {
	if r.o.Closed() {
		return errNobody
	}
	if r.roomFor(need) {
		return nil
	}
	if r.spinsPut.CompareAndSwap(false, true) {
		// For a good part of the ring: record by record, a hand-over would be paid
		// for each.
		quarter := max(need, uint32((r.mask+1)/unit/4))
		r.spinPut.Until(func() bool { return r.roomFor(quarter) || r.o.Closed() })
		r.spinsPut.Store(false)
	}
	err := r.room.Wait(w.context(), func() bool { return r.roomFor(need) || r.o.Closed() }, func() bool {
		// Who has P may wait for the same wake-up.
		owner, _ := r.p.Owner()
		return owner != 0 || r.roomFor(need+1) || r.o.Closed()
	})
	if err == nil && r.o.Closed() {
		err = errNobody
	}
	return err
}

// put writes one record, for which there is room, and publishes it with one store (Q1). The
// caller has P.
func (r *pipeRing) put(kind byte, total int, piece []byte) (count uint32) {
	tail := cursor(r.tail.Load())
	at := uint64(tail.position()) * unit & r.mask
	binary.LittleEndian.PutUint32(r.data[at:], uint32(piecePrefix+len(piece)))
	binary.LittleEndian.PutUint32(r.data[at+4:], tail.count())
	at = (at + recordHead) & r.mask
	binary.LittleEndian.PutUint64(r.data[at:], uint64(kind)|uint64(total)<<8)
	at = (at + piecePrefix) & r.mask
	if n := copy(r.data[at:], piece); n < len(piece) {
		copy(r.data, piece[n:])
	}
	assert.Reach("piece put, not counted")
	r.tail.Store(uint64(cursorAt(tail.position()+pieceUnits(len(piece)), tail.count()+1)))
	assert.Reach("piece counted, nobody woken")
	r.items.WakeOne()
	return tail.count()
}

// incoming is what was received. Of a message that was put together all is in head; what
// came in one piece is still in the ring, in two parts.
type incoming struct {
	head, tail []byte
	next       cursor // head of the ring without it
	inRing     bool
}

// bytes returns all, in memory that nobody else has.
func (in *incoming) bytes() []byte {
	if !in.inRing {
		return in.head
	}
	b := make([]byte, len(in.head)+len(in.tail))
	copy(b[copy(b, in.head):], in.tail)
	return b
}

// receive finds the next message, or file, if it is of that kind. Without an error the caller
// calls received when it has copied it.
func (r *pipeRing) receive(w *waiting, wait, file bool) (in incoming, err error) {
	if err := r.takeTurn(w, wait); err != nil {
		return in, err
	}
	if in, err = r.next(w, wait, file); err != nil {
		<-r.turn
	}
	return in, err
}

// received says that the caller has dealt with what is in the ring; whether it is to be taken
// out.
func (r *pipeRing) received(in incoming, taken bool) {
	if in.inRing {
		assert.Reach("message read, not taken")
		if taken {
			r.advance(in.next)
		}
		r.unlockC()
	}
	<-r.turn
}

// next returns without C, or with it and with something in the ring. The caller has the
// turn.
func (r *pipeRing) next(w *waiting, wait, file bool) (in incoming, err error) {
	for {
		if r.begun {
			err = r.awaitRest(w, wait)
		} else {
			err = r.beginTake(w, wait)
		}
		if err != nil {
			return in, err
		}
		var kind byte
		var total int
		kind, total, in, err = r.peek()
		switch {
		case err != nil:
			r.abandon()
			r.unlockC()
			return in, err
		case file && r.begun && kind == pieceRest:
			return in, errOther
		case kind != pieceRest && file != (kind == pieceFile):
			r.abandon()
			r.unlockC()
			return in, errOther
		case kind == pieceWhole, kind == pieceFile:
			r.abandon()
			return in, nil
		case kind == pieceFirst:
			r.begun, r.total = true, total
			r.partial = append(append(make([]byte, 0, min(total, firstAllocation)), in.head...), in.tail...)
		case r.begun:
			r.partial = append(append(r.partial, in.head...), in.tail...)
		default: // who has taken its beginning is dead, or has closed its end
		}
		if len(r.partial) > r.total {
			err = fmt.Errorf("%w: a message of %d bytes has %d", ErrCorrupt, r.total, len(r.partial))
		}
		assert.Reach("piece read, not taken")
		r.advance(in.next)
		switch {
		case err != nil, r.begun && len(r.partial) == r.total:
			in = incoming{head: r.partial}
			r.abandon()
			r.unlockC()
			return in, err
		case !r.begun:
			r.unlockC()
		}
	}
}

// errOther says that something else is next than what was asked for.
var errOther = errors.New("something else is next")

// abandon forgets the message of which pieces have come.
func (r *pipeRing) abandon() { r.begun, r.partial, r.total = false, nil, 0 }

// takeTurn makes this goroutine the one of its handle that receives.
func (r *pipeRing) takeTurn(w *waiting, wait bool) error {
	select {
	case r.turn <- struct{}{}:
		return nil
	default:
	}
	if !wait {
		mine := false
		r.spinTake.Until(func() bool {
			select {
			case r.turn <- struct{}{}:
				mine = true
			default:
			}
			return mine || !r.ready()
		})
		if !mine {
			return ErrEmpty
		}
		return nil
	}
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-w.context().Done():
		return context.Cause(w.context())
	}
}

// ready reports whether there is something to take, or never will be.
func (r *pipeRing) ready() bool { return r.tail.Load() != r.head.Load() || r.o.Closed() }

// beginTake returns with C, and with a record in the ring; or with an error and without C.
func (r *pipeRing) beginTake(w *waiting, wait bool) (err error) {
	defer func() {
		if err != nil && r.tail.Load() != r.head.Load() {
			r.items.WakeOne() // it may have been for this one
		}
	}()
	for {
		if wait {
			if err := r.lock(w, &r.c); err != nil {
				return err
			}
		} else if _, ok := r.c.TryLock(); !ok {
			if !r.spinTake.Until(func() bool { _, ok = r.c.TryLock(); return ok || !r.ready() }) || !ok {
				return ErrEmpty
			}
		}
		// Nobody is in the middle of putting something when the ring is closed: then no
		// process has the sending end, or what is in the ring does not matter.
		closed := r.o.Closed()
		if r.something() {
			return nil
		}
		_ = r.c.Unlock()
		switch {
		case closed:
			return errNobody
		case !wait:
			return ErrEmpty
		}
		if err := r.awaitItem(w); err != nil {
			return err
		}
	}
}

// something reports whether there is a record. The caller has C.
func (r *pipeRing) something() bool {
	head := cursor(r.head.Load())
	if head == r.tailSeen || int32(r.tailSeen.count()-head.count()) < 0 {
		r.tailSeen = cursor(r.tail.Load())
	}
	return r.tailSeen != head
}

// awaitRest returns with C, and with a record in the ring; or with an error and with C, if
// there may still be more of the message.
func (r *pipeRing) awaitRest(w *waiting, wait bool) error {
	for {
		closed := r.o.Closed()
		switch {
		case r.something():
			return nil
		case closed:
			r.abandon() // nobody will send the rest
			r.unlockC()
			return errNobody
		case !wait:
			return ErrEmpty
		}
		if err := r.awaitItem(w); err != nil {
			return err
		}
	}
}

// awaitItem waits for a record or the end; see awaitRoom.
func (r *pipeRing) awaitItem(w *waiting) error {
	if r.spinsTaking.CompareAndSwap(false, true) {
		hit := r.spinTake.Until(r.ready)
		r.spinsTaking.Store(false)
		if hit {
			return nil
		}
	}
	return r.items.Wait(w.context(), r.ready, r.passes)
}

// passes reports whether one who was woken wakes another: there is more than one record, or
// somebody else may be the one to take it.
func (r *pipeRing) passes() bool {
	if owner, _ := r.c.Owner(); owner != 0 || r.o.Closed() {
		return true
	}
	return cursor(r.tail.Load()).count()-cursor(r.head.Load()).count() > 1
}

// peek reads the record at the head, checked (FA5). The caller has C, and there is one.
func (r *pipeRing) peek() (kind byte, total int, in incoming, err error) {
	head := cursor(r.head.Load())
	at := uint64(head.position()) * unit & r.mask
	length, count := binary.LittleEndian.Uint32(r.data[at:]), binary.LittleEndian.Uint32(r.data[at+4:])
	need := (uint64(length) + recordHead + unit - 1) / unit
	prefix := binary.LittleEndian.Uint64(r.data[(at+recordHead)&r.mask:])
	kind = byte(prefix)
	if count != head.count() || length < piecePrefix || need > uint64(r.tailSeen.position()-head.position()) ||
		need*unit > r.mask+1 || kind < pieceWhole || kind > pieceFile || prefix>>8 >= mostMessage ||
		uint64(length)-piecePrefix > prefix>>8 || (kind == pieceWhole || kind == pieceFile) && uint64(length)-piecePrefix != prefix>>8 {
		return 0, 0, in, fmt.Errorf("%w: record %d of a pipe says that it is %d, of %d bytes, kind %d, of a message of %d",
			ErrCorrupt, head.count(), count, length, kind, prefix>>8)
	}
	at = (at + recordHead + piecePrefix) & r.mask
	n := uint64(length) - piecePrefix
	first := min(n, r.mask+1-at)
	in = incoming{r.data[at : at+first], r.data[:n-first], cursorAt(head.position()+uint32(need), head.count()+1), true}
	return kind, int(prefix >> 8), in, nil
}

// advance takes the record at the head out of the ring. The caller has C.
func (r *pipeRing) advance(next cursor) {
	r.head.Store(uint64(next))
	assert.Reach("piece taken, nobody woken")
	r.room.WakeOne()
}

// unlockC frees C. Who waits for a record and was not woken because of this goroutine is.
func (r *pipeRing) unlockC() {
	more := r.tailSeen != cursor(r.head.Load())
	_ = r.c.Unlock() // it is ours, unless the memory is corrupt
	if more {
		r.items.WakeOne()
	}
}

// wasTaken reports whether the record of that count is out of the ring, or always will be
// in it.
func (r *pipeRing) wasTaken(count uint32) bool {
	return int32(cursor(r.head.Load()).count()-count) > 0 || r.o.Word32(pipeUnread).Load() != 0
}

// poll waits until receive would not wait.
func (r *pipeRing) poll(w *waiting) error {
	if r.ready() {
		return nil
	}
	return r.items.Wait(w.context(), r.ready, func() bool { return true })
}

// leave is called when no goroutine uses the handle any more.
func (r *pipeRing) leave() {
	if r.begun {
		r.abandon()
		r.unlockC()
	}
	r.o.Release()
}

// endOf makes the error of an end whose other end is gone.
func endOf(err error, sending bool) error {
	if !errors.Is(err, errNobody) {
		return err
	}
	if sending {
		return errPeerClosed
	}
	return io.EOF
}
