package cluster

import (
	"cmp"
	"encoding/json"
	"os"
	"runtime/debug"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// presence is what a worker says of itself, in the bucket of workers under its id. If it
// does not say so again in time, it is gone.
type presence struct {
	Name      string    `json:"name"`
	Host      string    `json:"host"`
	PID       int       `json:"pid"`
	Version   string    `json:"version"` // of the program's main module
	Since     time.Time `json:"since"`
	Queues    []string  `json:"queues"`
	Functions []string  `json:"functions"`
	Slots     int       `json:"slots"`
	Running   int       `json:"running"` // messages that it has
	Done      uint64    `json:"done"`    // tasks, since then
	Draining  bool      `json:"draining,omitempty"`
}

// announceEach is a third of the time for which it is believed.
const announceEach = stream.PresenceTTL / 3

// announce says that the worker is there until quit is closed, and then that it is not.
func (w *worker) announce() {
	p := presence{Name: w.opts.Name, PID: os.Getpid(), Since: w.since, Queues: w.opts.Queues, Slots: w.opts.Slots, Version: "(unknown)"}
	p.Host, _ = os.Hostname() // an empty one says as much
	for _, d := range futures.Definitions() {
		p.Functions = append(p.Functions, d.Name())
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		p.Version = cmp.Or(info.Main.Version, p.Version)
	}
	ticker := time.NewTicker(announceEach)
	defer ticker.Stop()
	for {
		w.mu.Lock()
		p.Running, p.Done, p.Draining = len(w.messages), w.done, w.draining
		w.mu.Unlock()
		data, _ := json.Marshal(p) // of such a struct it does not fail
		w.present(&nats.Msg{Data: data})
		select {
		case <-w.quit:
			w.present(&nats.Msg{Header: nats.Header{"KV-Operation": {"DEL"}}})
			return
		case <-w.news:
		case <-ticker.C:
		}
	}
}

// present writes the worker's entry. It need not arrive: the next one will.
func (w *worker) present(m *nats.Msg) {
	m.Subject = "$KV." + w.names.Workers() + "." + w.id
	_ = w.conn.NC.PublishMsg(m)
}
