package harness

import (
	"context"
	"fmt"
)

// Install gets what is missing and can be got. It tells what it does, and returns
// what it could not do: the systems stay missing then.
func (c Catalog) Install(ctx context.Context, tell func(string)) (failures []error) {
	for _, g := range c.Groups {
		for _, s := range g.Systems {
			if s.Install == nil || ctx.Err() != nil {
				continue
			}
			if _, missing := s.Find(ctx); missing == nil {
				continue
			}
			tell("installing what " + s.Name + " needs")
			if err := s.Install(ctx); err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", s.Name, err))
			}
		}
	}
	return failures
}
