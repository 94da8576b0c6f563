package ipc

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/family"
)

// An end of a pipe that no process holds is not gone if it is on its way to one: as the
// argument of a task that still waits, or as an item of a queue. So each encoding of a handle
// takes a ticket: a word in the end's table, which the first decoding of that encoding clears,
// after it has said that it holds the end (PI4). A second decoding finds nothing to clear.
//
//	free --encoded--> owner, number --decoded--> free
//	                     |  ^
//	        sender dies  v  |decoded all the same
//	                  orphan --after the grace--> free
//
// A ticket is the sender's name in the upper half, and below it a number of 31 bits, above
// which is the mark of an orphan. Its number modulo the table's length tells its place.
const (
	endTickets    = 64
	mostInTransit = 4096
	orphanBit     = 1 << 31
)

// orphanGrace is how long an end is on its way whose sender is dead. It cannot be told
// whether the sender has handed it over to something that still has it.
var orphanGrace atomic.Int64

func init() { orphanGrace.Store(int64(30 * time.Second)) }

func endTicket(o *family.Object, number uint32) *atomic.Uint64 {
	return o.Word(endTickets + int(number%mostInTransit)*8)
}

// issueTicket notes that the end is on its way.
func issueTicket(o *family.Object) (ticket uint64, err error) {
	for range mostInTransit {
		number := uint32(o.Word(endIssued).Add(1)) &^ orphanBit
		ticket = uint64(o.Owner())<<32 | uint64(number)
		if endTicket(o, number).CompareAndSwap(0, ticket) {
			assert.Reach("ticket issued")
			return ticket, nil
		}
	}
	return 0, fmt.Errorf("%d handles of this end of a pipe are on their way", mostInTransit)
}

// clearTicket notes that the end has arrived, and the caller holds it; or that it never will.
func clearTicket(o *family.Object, ticket uint64) {
	if word := endTicket(o, uint32(ticket)&^orphanBit); ticket != 0 && !word.CompareAndSwap(ticket, 0) {
		word.CompareAndSwap(ticket|orphanBit, 0)
	}
}

// endGone reports whether no process holds the end and it is on its way to none. The tickets
// are looked at first, since who arrives holds before it clears; and if none was issued
// meanwhile, nobody has sent it on instead of holding it.
func endGone(o *family.Object) bool {
	issued := o.Word(endIssued).Load()
	if issued != 0 {
		for number := range uint32(mostInTransit) {
			if endTicket(o, number).Load() != 0 {
				return false
			}
		}
	}
	return !o.Family().Held(o.Ref()) && o.Word(endIssued).Load() == issued
}

// orphanTickets marks what a dead process has sent and nobody has got, and sees to it that it
// is given up after a while. It is called at every death, so that what the last warden
// was to give up is not forgotten.
func orphanTickets(o *family.Object, dead family.Member) {
	if o.Word(endIssued).Load() == 0 {
		return
	}
	var orphans []uint64
	for number := range uint32(mostInTransit) {
		word := endTicket(o, number)
		ticket := word.Load()
		if uint32(ticket>>32) == dead.Owner && word.CompareAndSwap(ticket, ticket|orphanBit) {
			ticket |= orphanBit
		}
		if ticket&orphanBit != 0 {
			orphans = append(orphans, ticket)
		}
	}
	if orphans == nil {
		return
	}
	f, ref := o.Family(), o.Ref()
	time.AfterFunc(time.Duration(orphanGrace.Load()), func() {
		o, err := f.OpenApart(ref)
		if err != nil {
			return // it is gone
		}
		for _, ticket := range orphans {
			endTicket(o, uint32(ticket)&^orphanBit).CompareAndSwap(ticket, 0)
		}
		o.Release()
	})
}
