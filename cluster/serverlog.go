package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	logBurst  = 5 // messages of a kind in a logPeriod
	logPeriod = 10 * time.Second
	logKinds  = 1000 // that are told apart
)

// A serverLog hands on what the server says to slog. Of messages made with the same
// format only the first few of a period are, and how many were left out.
type serverLog struct {
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex // guards what follows
	kinds map[string]*logKind
}

// A logKind are the messages of one format.
type logKind struct {
	began   time.Time
	told    int
	leftOut int
}

func newServerLog(log *slog.Logger, name string) *serverLog {
	return &serverLog{log: log.With("server", name), now: time.Now, kinds: make(map[string]*logKind)}
}

func (l *serverLog) Noticef(format string, v ...any) { l.tell(slog.LevelDebug, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.tell(slog.LevelDebug, format, v) }
func (l *serverLog) Tracef(format string, v ...any)  { l.tell(slog.LevelDebug, format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.tell(slog.LevelWarn, format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.tell(slog.LevelError, format, v) }
func (l *serverLog) Fatalf(format string, v ...any)  { l.tell(slog.LevelError, format, v) }

func (l *serverLog) tell(level slog.Level, format string, v []any) {
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	leftOut, tell := l.admit(format)
	if !tell {
		return
	}
	attrs := []any{"text", fmt.Sprintf(format, v...)}
	if leftOut > 0 {
		attrs = append(attrs, "left_out", leftOut)
	}
	l.log.Log(context.Background(), level, "cluster: server", attrs...)
}

// admit decides whether a message of a kind is told, and how many were not since the
// last one that was.
func (l *serverLog) admit(kind string) (leftOut int, tell bool) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kinds[kind]
	if k == nil {
		if len(l.kinds) >= logKinds {
			clear(l.kinds)
		}
		k = &logKind{began: now}
		l.kinds[kind] = k
	}
	if now.Sub(k.began) >= logPeriod {
		k.began, k.told = now, 0
	}
	if k.told++; k.told > logBurst {
		k.leftOut++
		return 0, false
	}
	leftOut, k.leftOut = k.leftOut, 0
	return leftOut, true
}
