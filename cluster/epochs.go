package cluster

import (
	"strconv"
	"time"

	"github.com/futures-go/futures/cluster/internal/envelope"
)

// epoch is a part of the results that are removed together, once all of them have come.
// Results that are long in coming are in none: they are removed one by one. It is guarded by
// Pool.feed.
type epoch struct {
	text   string
	chunks int  // that were sent
	left   int  // of them, without a result
	sealed bool // there will be no more
	kept   bool // somebody has an id of it
}

// The bounds of an epoch.
const (
	epochChunks = 4096
	epochTime   = time.Second
)

// noEpoch stands in subjects and ids where there is none.
const noEpoch = "o"

func (e *epoch) name() string {
	if e == nil {
		return noEpoch
	}
	return e.text
}

// currentEpoch returns the epoch of a chunk that is sent now. The caller holds feed.
func (p *Pool) currentEpoch() *epoch {
	e := p.epoch
	if e == nil {
		// The first chunk's number, as each has another one.
		e = &epoch{text: "e" + envelope.FormatChunk(p.lastChunk)}
		p.epoch = e
	}
	e.chunks++
	e.left++
	if e.chunks >= epochChunks {
		p.sealEpoch()
	}
	return e
}

// sealEpoch ends the current epoch. The caller holds feed.
func (p *Pool) sealEpoch() {
	if e := p.epoch; e != nil {
		e.sealed = true
		p.epoch = nil
		p.purgeEpoch(e)
	}
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
