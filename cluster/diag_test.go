package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
)

var loud = slog.New(slog.NewTextHandler(os.Stderr, nil))

func tracing(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Now().Format("05.000")}, args...)...)
}

var traceMu sync.Mutex
var traced []string

func keepTrace(format string, args ...any) {
	traceMu.Lock()
	defer traceMu.Unlock()
	traced = append(traced, time.Now().Format("05.000")+" "+fmt.Sprintf(format, args...))
}

func diagnose(t testing.TB, p *Pool) {
	t.Helper()
	t.Logf("%s failing", time.Now().Format("05.000"))
	traceMu.Lock()
	for _, l := range traced {
		t.Log(l)
	}
	traceMu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	p.feed.Lock()
	var all []*chunk
	for _, c := range p.chunks {
		all = append(all, c)
	}
	now := time.Since(p.began)
	p.feed.Unlock()
	for _, c := range all {
		_, err := p.conn.GetLast(ctx, p.conn.Names.Results(), p.conn.Names.Result(p.client, c.epoch.name(), c.number, envelope.Whole))
		_, err2 := p.conn.GetLast(ctx, p.conn.Names.Tasks(), p.conn.Names.Task(p.opts.QueueName, c.lane.level, p.client, c.number, envelope.Whole))
		t.Logf("chunk %s: short %v stored %v seq %d items %d left %d sent %v ago looked %v ago split %v; result there: %v; task there: %v",
			envelope.FormatChunk(c.number), c.short, c.stored, c.sequence, len(c.jobs), c.left, now-c.sent, now-c.looked, c.split, err, err2)
	}
	for _, name := range []string{p.conn.Names.Tasks(), p.conn.Names.Results()} {
		s, err := p.conn.JS.Stream(ctx, name)
		if err != nil {
			t.Log(name, err)
			continue
		}
		ci := s.CachedInfo()
		j, _ := json.Marshal(ci.Cluster)
		k, _ := json.Marshal(ci.State)
		t.Logf("%s: %s %s", name, j, k)
	}
	for level := range stream.Levels {
		c, err := p.conn.JS.Consumer(ctx, p.conn.Names.Tasks(), p.conn.Names.Consumer(p.opts.QueueName, level))
		if err != nil {
			t.Log(level, err)
			continue
		}
		i := c.CachedInfo()
		j, _ := json.Marshal(i)
		t.Logf("consumer %d: %s", level, j)
	}
}
