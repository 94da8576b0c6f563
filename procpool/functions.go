package procpool

import (
	"fmt"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/internal/codec"
)

// newFunction makes the pool's record of a definition.
func newFunction(d *futures.Definition, number int) *function {
	in, out := d.Types()
	f := &function{number: uint32(number), name: d.Name(), def: d, userCode: codec.RunsUserCode(out), direct: decodesAtOnce(out)}
	if err := codec.Check(in); err != nil {
		f.err = fmt.Errorf("procpool: argument of %s: %w", d.Name(), err)
	} else if err := codec.Check(out); err != nil {
		f.err = fmt.Errorf("procpool: value of %s: %w", d.Name(), err)
	}
	return f
}

// functionNames returns the names of the functions that the pool was asked to run, in the
// order of their numbers. The caller holds the lock of Pool.functions.
func (p *Pool) functionNames() []string {
	all := p.functions.All()
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = f.name
	}
	return names
}
