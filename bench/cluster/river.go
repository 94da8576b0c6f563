package cluster

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/futures-go/futures/bench/internal/harness"
)

func riverOnSQLite() harness.System {
	const here = "a job's completion is told in the process that has run it; elsewhere one looks into the database"
	return adapter{
		open: openRiver,
		declines: map[string]string{
			processes: here, queuedSize: here, byPayload: here, byInFlight: here,
			replicated: "one SQLite file is not kept three times",
			recovery:   "has no lease: a job is taken from its worker when it has run for longer than any may, an hour if nothing else is said",
		},
	}.answers(harness.System{
		Name:  "river",
		About: "Client.Insert, 64 workers that look for jobs each millisecond, on SQLite (modernc.org/sqlite, WAL, one connection); a result is RecordOutput, and its job is waited for with Subscribe",
		Find:  harness.Module("github.com/riverqueue/river"),
	})
}

const (
	riverWorkers = 64
	riverPoll    = river.FetchPollIntervalMin
	riverEvents  = 1 << 16 // more than may be in flight: those that find no room are dropped
)

// riverArgs are a job, of the one kind that there is.
type riverArgs struct {
	Task     string `json:"task"`
	Number   uint64 `json:"number"`
	Argument []byte `json:"argument"`
}

func (riverArgs) Kind() string { return "task" }

// riverWorker runs jobs.
type riverWorker struct {
	river.WorkerDefaults[riverArgs]
}

func (riverWorker) Work(ctx context.Context, job *river.Job[riverArgs]) error {
	b, err := runTask(ctx, job.Args.Task, job.Args.Argument)
	if err != nil {
		return err
	}
	return river.RecordOutput(ctx, b)
}

// riverClient is a client, and the workers in it.
type riverClient struct {
	stage
	db      *sql.DB
	client  *river.Client[*sql.Tx]
	started bool
	cancel  func() // of the subscription
	gone    sync.WaitGroup

	next    atomic.Uint64
	waiting replies
}

func openRiver(ctx context.Context, s site) (client, error) {
	c := &riverClient{}
	if err := c.open(ctx, s); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *riverClient) open(ctx context.Context, s site) error {
	dir, err := c.folder()
	if err != nil {
		return err
	}
	synchronous := "normal" // in WAL mode: a file is written, and not waited for
	if s.sync {
		synchronous = "full"
	}
	file := filepath.Join(dir, "river.db")
	c.db, err = sql.Open("sqlite", fmt.Sprintf("file:%s?_pragma=journal_mode(WAL)&_pragma=synchronous(%s)", file, synchronous))
	if err != nil {
		return err
	}
	c.db.SetMaxOpenConns(1) // as River says: SQLite has one writer at a time
	driver := riversqlite.New(c.db)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet()})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, riverWorker{})
	c.client, err = river.NewClient(driver, &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: riverWorkers}},
		Workers: workers, FetchCooldown: river.FetchCooldownMin, FetchPollInterval: riverPoll, Logger: quiet(),
	})
	if err != nil {
		return err
	}
	events, cancel := c.client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: riverEvents, Kinds: []river.EventKind{river.EventKindJobCompleted, river.EventKindJobFailed},
	})
	c.cancel = cancel
	c.gone.Go(func() { c.receive(events) })
	if err := c.client.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	c.started = true
	return nil
}

// receive takes results from the jobs that have ended.
func (c *riverClient) receive(events <-chan *river.Event) {
	for e := range events {
		var args riverArgs
		if err := json.Unmarshal(e.Job.EncodedArgs, &args); err != nil {
			c.waiting.fail(err)
			continue
		}
		var result []byte
		err := json.Unmarshal(e.Job.Output(), &result)
		if e.Kind == river.EventKindJobFailed {
			err = fmt.Errorf("job %d has failed", e.Job.ID)
		}
		c.waiting.resolve(args.Number, result, err)
	}
}

func (c *riverClient) submit(ctx context.Context, task string, argument []byte) (future, error) {
	number := c.next.Add(1)
	r := c.waiting.add(number)
	_, err := c.client.Insert(ctx, riverArgs{Task: task, Number: number, Argument: argument}, nil)
	return r, err
}

func (c *riverClient) flush(context.Context) error { return nil } // submit has waited

func (c *riverClient) close() (err error) {
	if c.started {
		ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
		err = c.client.Stop(ctx)
		stop()
	}
	if c.cancel != nil {
		c.cancel()
		c.gone.Wait()
	}
	if c.db != nil {
		err = errors.Join(err, c.db.Close())
	}
	return errors.Join(err, c.clear())
}
