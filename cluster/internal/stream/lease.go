package stream

import (
	"context"
	"fmt"
	"time"
)

// Lease returns how long a worker of the queues may be silent: the least of what their
// consumers allow.
func (c *Conn) Lease(ctx context.Context, queues []string) (lease time.Duration, err error) {
	for _, q := range queues {
		for level := range Levels {
			consumer, err := c.JS.Consumer(ctx, c.Names.Tasks(), c.Names.Consumer(q, level))
			if err != nil {
				return 0, fmt.Errorf("%s: consumer %s of %s: %w", c.where, c.Names.Consumer(q, level), c.Names.Tasks(), err)
			}
			if wait := consumer.CachedInfo().Config.AckWait; lease == 0 || wait < lease {
				lease = wait
			}
		}
	}
	return lease, nil
}
