package cluster

import (
	"sync"
	"sync/atomic"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/internal/codec"
)

// function is what a worker knows of a registered function.
type function struct {
	def      *futures.Definition // nil if this program has none of the name
	err      error               // why it cannot be called
	userCode bool                // decoding its argument calls methods of the user's types
	average  average             // of what a call takes
}

// took notes how long a call has taken.
func (f *function) took(ns int64) { f.average.note(ns) }

// functions are those that the worker was asked to run.
type functions struct {
	known atomic.Pointer[map[string]*function] // never changed, but replaced under mu
	mu    sync.Mutex
}

// of returns what is known of a name.
func (fs *functions) of(name string) *function {
	if known := fs.known.Load(); known != nil {
		if f := (*known)[name]; f != nil {
			return f
		}
	}
	return fs.add(name)
}

func (fs *functions) add(name string) *function {
	f := new(function)
	if f.def, f.err = futures.Lookup(name); f.err != nil {
		return f
	}
	in, out := f.def.Types()
	f.userCode = codec.RunsUserCode(in)
	if f.err = codec.Check(in); f.err == nil {
		f.err = codec.Check(out)
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	next := make(map[string]*function)
	if known := fs.known.Load(); known != nil {
		if have := (*known)[name]; have != nil {
			return have
		}
		for k, v := range *known {
			next[k] = v
		}
	}
	next[name] = f
	fs.known.Store(&next)
	return f
}

// clocks tell how long calls have run that an executor made one after another: from the
// end of the one before on the same of its workers, or from when it was given the call.
type clocks [256]struct {
	last atomic.Int64
	_    [56]byte // a cache line each
}

// ran returns how long a call has run that has ended now.
func (c *clocks) ran(worker int, given, now int64) int64 {
	last := c[uint(worker)%uint(len(c))].last.Swap(now)
	return max(0, now-max(last, given))
}
