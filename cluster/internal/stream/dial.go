package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/nats-io/nats.go"
)

// A dialer makes the connections of nats.go. The first ones end with the context of
// Connect, and it keeps the reason why one failed, of which nats.go says only that no
// server is available.
type dialer struct {
	net.Dialer

	mu  sync.Mutex
	ctx context.Context // of Connect, nil once that has returned
	err error           // of the last attempt
}

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	d.mu.Lock()
	ctx := d.ctx
	d.mu.Unlock()
	if ctx == nil {
		ctx = context.Background()
	}
	conn, err := d.DialContext(ctx, network, address)
	d.mu.Lock()
	d.err = err
	d.mu.Unlock()
	return conn, err
}

// established lets go of the context.
func (d *dialer) established() {
	d.mu.Lock()
	d.ctx = nil
	d.mu.Unlock()
}

// explain returns a better error than the one that nats.go has for a failed
// connection, where there is one.
func (d *dialer) explain(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case errors.Is(err, nats.ErrNoServers) && d.err != nil:
		return d.err
	case errors.Is(err, nats.ErrAuthorization):
		return fmt.Errorf("the credentials were refused: %w", err)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return fmt.Errorf("TLS is asked for, and the server does not offer it: %w", err)
	}
	return err
}
