package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// logState tells what a pool waits for, and what its server has: for tests that have waited in
// vain.
func logState(t testing.TB, p *Pool) {
	t.Helper()
	brief := func() context.Context { // each has time, as the one before may have waited in vain
		ctx, stop := context.WithTimeout(context.Background(), 3*time.Second)
		t.Cleanup(stop)
		return ctx
	}
	there := func(in, subject string) string {
		switch s, err := p.conn.GetLast(brief(), in, subject); err {
		case nil:
			return fmt.Sprint("is number ", s.Sequence)
		default:
			return strings.TrimPrefix(err.Error(), p.conn.Where()+": ")
		}
	}
	type waiting struct {
		subject, result, text string
		number                uint64
	}
	var all []waiting
	names := p.conn.Names
	p.feed.Lock()
	now := time.Since(p.began)
	for _, c := range p.chunks {
		all = append(all, waiting{
			names.Task(p.opts.QueueName, c.lane.level, p.client, c.number, envelope.Whole),
			names.Result(p.client, c.epoch.name(), c.number, envelope.Whole),
			fmt.Sprintf("%d of %d tasks, sent %v ago, stored %t as %d, split %t", c.left, len(c.jobs), now-c.sent, c.stored, c.sequence, c.split),
			c.number,
		})
	}
	p.feed.Unlock()
	slices.SortFunc(all, func(a, b waiting) int { return int(a.number) - int(b.number) })
	for _, w := range all[:min(len(all), 10)] {
		t.Logf("%s: %s; its message %s; its result %s", w.subject, w.text, there(names.Tasks(), w.subject), there(names.Results(), w.result))
	}
	t.Logf("%d messages have no result, %d no answer", len(all), p.publisher.Outstanding())
	for _, name := range []string{names.Tasks(), names.Results()} {
		s, err := p.conn.JS.Stream(brief(), name)
		if err != nil {
			t.Logf("stream %s: %v", name, err)
			continue
		}
		i := s.CachedInfo()
		t.Logf("stream %s: %d messages, %d to %d, %s", name, i.State.Msgs, i.State.FirstSeq, i.State.LastSeq, members(i.Cluster))
	}
	for level := range stream.Levels {
		c, err := p.conn.JS.Consumer(brief(), names.Tasks(), names.Consumer(p.opts.QueueName, level))
		if err != nil {
			t.Logf("consumer of level %d: %v", level, err)
			continue
		}
		i := c.CachedInfo()
		t.Logf("consumer %s: %d to deliver, %d to acknowledge, %d again, %d requests, delivered to %d, acknowledged to %d, %s", i.Name, i.NumPending,
			i.NumAckPending, i.NumRedelivered, i.NumWaiting, i.Delivered.Stream, i.AckFloor.Stream, members(i.Cluster))
	}
}

// members tells who leads, and how the others are.
func members(c *jetstream.ClusterInfo) string {
	if c == nil {
		return "one node"
	}
	text := []string{"led by " + c.Leader}
	for _, r := range c.Replicas {
		text = append(text, fmt.Sprintf("%s current %t offline %t lag %d", r.Name, r.Current, r.Offline, r.Lag))
	}
	return strings.Join(text, ", ")
}
