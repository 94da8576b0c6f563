package cluster

import (
	"strconv"
	"time"

	"github.com/futures-go/futures/cluster/internal/envelope"
)

// epoch is a part of the results that are removed together, once all of them have come.
// Results that are long in coming are in none: they are removed one by one, which costs the
// server a look through its file for each. It is guarded by Pool.feed.
type epoch struct {
	text   string
	kind   epochKind
	chunks int  // that were sent
	left   int  // of them, without a result
	sealed bool // there will be no more
	kept   bool // somebody has an id of it
}

// epochKind tells which results share an epoch.
type epochKind int

const (
	epochBrief   epochKind = iota // of functions that do not run long
	epochUnknown                  // of functions of which that is not known yet
	epochKinds
)

// epochChunks bounds an epoch, beside keepEach. One result that is long in coming keeps
// all others of its epoch on the server: of those of which nothing is known few are together.
var epochChunks = [epochKinds]int{epochBrief: 4096, epochUnknown: 64}

// noEpoch stands in subjects and ids where there is none.
const noEpoch = "o"

func (e *epoch) name() string {
	if e == nil {
		return noEpoch
	}
	return e.text
}

// epochOf returns the epoch of a chunk that is sent now, or nil if it is to be in none. The
// caller holds feed.
func (p *Pool) epochOf(fn *poolFunction) *epoch {
	kind := epochBrief
	switch {
	case fn.unknown():
		kind = epochUnknown
	case !fn.brief():
		return nil
	}
	e := p.epochs[kind]
	if e == nil {
		// The first chunk's number, as each has another one.
		e = &epoch{text: "e" + envelope.FormatChunk(p.lastChunk), kind: kind}
		p.epochs[kind] = e
	}
	e.chunks++
	e.left++
	if e.chunks >= epochChunks[kind] {
		p.sealEpoch(e)
	}
	return e
}

// sealEpochs ends the current epochs. The caller holds feed.
func (p *Pool) sealEpochs() {
	for _, e := range p.epochs {
		if e != nil {
			p.sealEpoch(e)
		}
	}
}

// sealEpoch ends a current epoch. The caller holds feed.
func (p *Pool) sealEpoch(e *epoch) {
	e.sealed = true
	p.epochs[e.kind] = nil
	p.purgeEpoch(e)
}

// keep notes that somebody has the id of a task in a chunk. The caller holds feed.
func (p *Pool) keep(c *chunk) {
	c.kept = true
	p.keptAny = true
	if c.epoch != nil {
		c.epoch.kept = true
	}
}

// arrived notes that no result of a chunk is missing, and removes it if it is in no epoch
// and exists, and nobody has its id. The caller holds feed.
func (p *Pool) arrived(c *chunk, remove bool) {
	if c.epoch != nil {
		c.epoch.left--
		p.purgeEpoch(c.epoch)
		return
	}
	if !remove {
		return
	}
	subject := p.conn.Names.Result(p.client, noEpoch, c.number, envelope.Whole)
	p.fresh = append(p.fresh, subject)
	if c.split {
		p.fresh = append(p.fresh, subject+".*")
	}
}

// purgeEpoch has the results of an epoch removed that is over. The caller holds feed.
func (p *Pool) purgeEpoch(e *epoch) {
	if e.sealed && e.left == 0 && !e.kept {
		p.fresh = append(p.fresh, p.conn.Names.ResultFilter(p.client, e.text))
	}
}

// purge removes results that came a tick ago or more. Those that have just come may not be
// stored yet: the server passes them on and stores them in no order.
func (p *Pool) purge() {
	p.feed.Lock()
	ripe := p.ripe
	p.ripe, p.fresh = p.fresh, nil
	p.feed.Unlock()
	for _, filter := range ripe {
		p.purgeResults(filter)
	}
}

func (p *Pool) purgeResults(filter string) {
	p.errands.do(func(done func()) {
		p.conn.Purge(p.conn.Names.Results(), filter, func(uint64, error) { done() })
	})
}

// rollSentinel stores the client's message that no consumer takes, in place of the one
// before. A stream that runs empty drops its last file, and makes a new one for the next
// message, which costs more than the message; and one that keeps an old message keeps all
// the files since.
func (p *Pool) rollSentinel() {
	text := strconv.AppendInt(nil, int64(time.Since(p.began)), 10)
	p.errands.do(func(done func()) {
		// Without an id, as each takes the place of the one before.
		if p.publisher.Publish(p.conn.Names.Keep(p.client), "", nil, text, func(uint64, error) { done() }) != nil {
			done()
		}
	})
}
