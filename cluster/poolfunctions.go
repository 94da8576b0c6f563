package cluster

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/internal/codec"
	"github.com/futures-go/futures/internal/remote"
)

// poolFunction is what the pool knows of a registered function.
type poolFunction struct {
	name     string
	err      error // why no call of it can travel
	userCode bool  // decoding a value calls methods of the user's types
	counts   remote.Counts

	average average // of its run times
	samples atomic.Uint64
}

const (
	shortRun = 200 * time.Microsecond // on average: tasks of such a function may share a message
	briefRun = 100 * time.Millisecond // results of what runs longer are removed one by one
)

func newPoolFunction(d *futures.Definition, _ int) *poolFunction {
	in, out := d.Types()
	f := &poolFunction{name: d.Name(), userCode: codec.RunsUserCode(out)}
	it := envelope.Item{Function: f.name}
	if err := codec.Check(in); err != nil {
		f.err = fmt.Errorf("cluster: argument of %s: %w", f.name, err)
	} else if err := codec.Check(out); err != nil {
		f.err = fmt.Errorf("cluster: value of %s: %w", f.name, err)
	} else if err := it.Check(); err != nil {
		f.err = fmt.Errorf("cluster: function %.100q: %w", f.name, err)
	}
	return f
}

func (f *poolFunction) short() bool {
	a := f.average.Load()
	return a != 0 && a < int64(shortRun)
}

// unknown reports whether no task of the function is known to have run.
func (f *poolFunction) unknown() bool { return f.average.Load() == 0 }

func (f *poolFunction) brief() bool {
	a := f.average.Load()
	return a != 0 && a < int64(briefRun)
}

// ran notes how long a task has run.
func (f *poolFunction) ran(nanos int64) {
	f.average.note(nanos)
	if nanos >= int64(time.Millisecond) || f.samples.Add(1)%sampleEvery == 1 {
		f.counts.Took(time.Duration(nanos))
	}
}

// sampleEvery is how many short tasks there are to one whose run time is counted.
const sampleEvery = 16
