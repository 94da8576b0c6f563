package taskring

import (
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"

	"github.com/futures-go/futures/internal/shm"
)

const (
	magic = uint64('f') | 'u'<<8 | 't'<<16 | 'r'<<24 | 'i'<<32 | 'n'<<40 | 'g'<<48 | '1'<<56

	offSlots    = 8
	offWorkers  = 12
	offHead     = 128
	offSpinning = 256
	offParked   = 384
	offRoom     = 512
	offSleeping = 640
	offControl  = 4096

	controlSize = 128
	ctlPark     = 0
	ctlRetire   = 4
	ctlSequence = 8
	ctlCurrent  = 64

	slotSize   = 256
	slotInline = 88
)

const (
	// Inline is how many bytes of a task or of its result fit into a slot.
	Inline = slotSize - slotInline

	MaxWorkers = 1024
	MaxSlots   = 1 << 20

	ticketBits = 40
	ticketMask = 1<<ticketBits - 1
	slotBits   = 24
	slotMask   = 1<<slotBits - 1
)

// The statuses of a slot.
const (
	statusFree = iota
	statusQueued
	statusClaimed
	statusBegun
	statusDone
	statusTaken
	statusWithdrawn
)

func stateOf(ticket uint64, owner int, status uint64) uint64 {
	return ticket&ticketMask<<slotBits | uint64(owner)<<8 | status
}

func ownerOf(state uint64) int     { return int(state >> 8 & 0xffff) }
func statusOf(state uint64) uint64 { return state & 0xff }

// ErrCorrupt is wrapped by errors that say that the memory holds what no correct
// peer writes.
var ErrCorrupt = errors.New("taskring: corrupt memory")

// layout is the region seen as words. Both sides have one.
type layout struct {
	region  *shm.Region
	workers int
	mask    uint64

	head     *atomic.Uint64
	spinning []atomic.Uint64 // of MaxWorkers/64 words, those in use
	parked   []atomic.Uint64
	room     *atomic.Uint32
	sleeping *atomic.Uint32
	order    []atomic.Uint64
	slot     []slot

	completionsAt int
}

// size returns the bytes of a region for so many slots and workers.
func size(slots, workers int) int {
	page := shm.PageSize()
	at := offControl + workers*controlSize + slots*8 + workers*slots*8
	at = (at + page - 1) &^ (page - 1)
	return at + slots*slotSize
}

func newLayout(region *shm.Region, slots, workers int) (*layout, error) {
	if slots < 1 || slots > MaxSlots || bits.OnesCount(uint(slots)) != 1 || workers < 1 || workers > MaxWorkers {
		return nil, fmt.Errorf("%w: %d slots and %d workers", ErrCorrupt, slots, workers)
	}
	if need := size(slots, workers); region.Size() < need {
		return nil, fmt.Errorf("%w: %d bytes, %d slots and %d workers need %d", ErrCorrupt, region.Size(), slots, workers, need)
	}
	words := (workers + 63) / 64
	orderAt := offControl + workers*controlSize
	page := shm.PageSize()
	completionsAt := orderAt + slots*8
	return &layout{
		region:        region,
		workers:       workers,
		mask:          uint64(slots - 1),
		head:          region.Uint64(offHead),
		spinning:      shm.SliceAt[atomic.Uint64](region, offSpinning, words),
		parked:        shm.SliceAt[atomic.Uint64](region, offParked, words),
		room:          region.Uint32(offRoom),
		sleeping:      region.Uint32(offSleeping),
		order:         shm.SliceAt[atomic.Uint64](region, orderAt, slots),
		slot:          shm.SliceAt[slot](region, (completionsAt+workers*slots*8+page-1)&^(page-1), slots),
		completionsAt: completionsAt,
	}, nil
}

func (l *layout) completions(worker int) []atomic.Uint64 {
	return shm.SliceAt[atomic.Uint64](l.region, l.completionsAt+worker*len(l.order)*8, len(l.order))
}

// control is a worker's control block.
type control struct {
	park, retire      *atomic.Uint32
	sequence, current *atomic.Uint64
}

func (l *layout) control(worker int) control {
	at := offControl + worker*controlSize
	return control{
		park:     l.region.Uint32(at + ctlPark),
		retire:   l.region.Uint32(at + ctlRetire),
		sequence: l.region.Uint64(at + ctlSequence),
		current:  l.region.Uint64(at + ctlCurrent),
	}
}

// slot is a slot as both sides map it. The state word hands the rest over: whoever owns
// the slot by it may write, and plain words do.
type slot struct {
	state       atomic.Uint64
	function    uint32
	attempt     uint32
	flags       uint32
	contextSize uint32
	length      uint64
	block       uint64
	blockSize   uint64
	timeout     int64
	deadline    int64
	resultSize  uint64
	kind        uint32
	progress    uint32
	began       int64
	inline      [Inline]byte
}
