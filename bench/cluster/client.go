package cluster

import (
	"context"
	"os"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
)

// client submits tasks to a server and gets their results.
type client interface {
	// submit submits the task of a name. The result may be there sooner than submit
	// returns. It may be called by many at the same time.
	submit(ctx context.Context, task string, argument []byte) (future, error)
	// flush returns when all that was submitted is on the server.
	flush(ctx context.Context) error
	// close ends the client, and its server and workers with it.
	close() error
}

// future is what *futures.Future[[]byte] is, too.
type future interface {
	Result(ctx context.Context) ([]byte, error)
}

// staffed is implemented by clients that can have workers in other processes.
type staffed interface {
	// addWorker starts a worker that runs so many tasks at the same time, or as many as
	// it likes if slots is 0.
	addWorker(slots int) (*os.Process, error)
}

// A site says where server, client and workers are, and what is asked of them.
type site struct {
	place place
	sync  bool          // the server acknowledges what is on the disk
	lease time.Duration // 0 for any
	queue int           // how many tasks wait at most; 0 for any
	empty bool          // there is no worker before addWorker is called
}

type place int

const (
	oneProcess     place = iota
	threeProcesses       // a server, a worker, and the client
	threeServers         // each a process, and a worker, and the client
)

// An adapter is what a system offers.
type adapter struct {
	// open returns a client, with a server and, unless the site is empty, a worker.
	open func(ctx context.Context, s site) (client, error)
	// declines are reasons not to answer questions, by their names.
	declines map[string]string
}

// answers fills what the adapter offers into a system.
func (a adapter) answers(s harness.System) harness.System {
	s.Declines = a.declines
	s.Answers = map[string]harness.Run{
		embedded:   a.loop(site{place: oneProcess}, allOfIt),
		onDisk:     a.loop(site{place: oneProcess, sync: true}, allOfIt),
		processes:  a.loop(site{place: threeProcesses}, allOfIt),
		replicated: a.loop(site{place: threeServers}, allOfIt),
		queuedSize: a.queuedMemory,
		recovery:   a.recovery,
		byPayload:  a.loop(site{place: threeProcesses}, medianOnly),
		byInFlight: a.loop(site{place: threeProcesses}, rateOnly),
	}
	for name := range s.Declines {
		delete(s.Answers, name)
	}
	return s
}
