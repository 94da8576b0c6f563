package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// InLine returns when all tasks of a pool are stored, the consumers have counted them, and
// what was delivered is with a worker: then the next that a worker begins is the right one. A
// worker begins the best that it knows of, and learns of a task a moment after it is stored.
func InLine(ctx context.Context, ex futures.Executor) error {
	p := ex.(*Pool)
	if err := p.Flush(ctx); err != nil {
		return err
	}
	for {
		settled, err := p.inLine(ctx)
		if settled || err != nil {
			return err
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *Pool) inLine(ctx context.Context) (bool, error) {
	var counted, withWorkers int64
	for level := range stream.Levels {
		names := p.conn.Names
		data, err := p.conn.Call(ctx, "$JS.API.CONSUMER.INFO."+names.Tasks()+"."+names.Consumer(p.opts.QueueName, level), nil)
		if err != nil {
			return false, err
		}
		var info struct {
			Pending    int64 `json:"num_pending"`
			AckPending int64 `json:"num_ack_pending"`
		}
		if err := json.Unmarshal(data, &info); err != nil {
			return false, err
		}
		counted += info.Pending + info.AckPending
		withWorkers += info.AckPending
	}
	if want := p.outstanding.Load(); counted > want {
		return false, fmt.Errorf("%d tasks on the server, %d of this pool", counted, want)
	} else if counted < want {
		return false, nil
	}
	refs := envelope.Refs{Client: p.client}
	p.feed.Lock()
	for _, c := range p.chunks {
		for _, j := range c.jobs {
			if j != nil {
				refs.Refs = append(refs.Refs, envelope.Ref{Chunk: c.number, Index: int(j.index)})
			}
		}
	}
	p.feed.Unlock()
	for _, r := range refs.Refs {
		one := envelope.Refs{Client: p.client, Refs: []envelope.Ref{r}}
		within, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		if _, err := p.conn.NC.RequestWithContext(within, p.conn.Names.Have(), envelope.AppendHave(nil, &one)); err == nil {
			withWorkers--
		}
		cancel()
	}
	return withWorkers == 0, ctx.Err()
}
