// Package engine starts a NATS server in this process and ends it so that nothing is
// left of it.
package engine

import (
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	startWait  = 10 * time.Second
	startPoll  = 50 * time.Millisecond
	settleWait = 10 * time.Second // for what would outlive the server
	settlePoll = 2 * time.Millisecond
)

// An Engine is a server that runs.
type Engine struct{ *server.Server }

// Start starts a server, and returns when it accepts connections. A node of a cluster
// may then still look for the others. The options must have a folder, and NoSigs set.
// Log is told what the server says.
func Start(o *server.Options, log server.Logger) (*Engine, error) {
	s, err := server.NewServer(o)
	if err != nil {
		return nil, err
	}
	why := &reason{Logger: log, fatal: make(chan error, 1)}
	s.SetLoggerV2(why, false, false, false)
	s.Start()
	for deadline := time.Now().Add(startWait); err == nil; {
		switch {
		case s.ReadyForConnections(startPoll):
			return &Engine{s}, nil
		case time.Now().After(deadline):
			err = fmt.Errorf("it is not ready after %v", startWait)
		}
		select {
		case err = <-why.fatal:
		default:
		}
	}
	s.Shutdown()
	s.WaitForShutdown()
	return nil, fmt.Errorf("the NATS server did not start: %w", err)
}

// Stop ends the server.
func (e *Engine) Stop() {
	e.settle()
	e.Shutdown()
	e.WaitForShutdown()
}

// settle waits until each stream that takes messages from another is connected with
// that. If the server ends meanwhile a goroutine of its waits for half a minute for an
// answer that cannot come, and keeps the server in memory.
func (e *Engine) settle() {
	for deadline := time.Now().Add(settleWait); e.unsettled() && time.Now().Before(deadline); {
		time.Sleep(settlePoll)
	}
}

func (e *Engine) unsettled() bool {
	info, err := e.Jsz(&server.JSzOptions{Accounts: true, Streams: true})
	if err != nil {
		return false
	}
	for _, account := range info.AccountDetails {
		for _, stream := range account.Streams {
			if stream.Cluster != nil && stream.Cluster.Leader != e.Name() {
				continue // the leader is connected, if there is one
			}
			for _, source := range stream.Sources {
				if source.Active < 0 {
					return true
				}
			}
		}
	}
	return false
}

// A reason is a log that keeps what a server would end the process for.
type reason struct {
	server.Logger
	fatal chan error
}

func (r *reason) Fatalf(format string, v ...any) {
	select {
	case r.fatal <- fmt.Errorf(format, v...):
	default: // the first one counts
	}
	r.Logger.Errorf(format, v...)
}
