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
	"github.com/riverqueue/river/rivertype"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/futures-go/futures/bench/internal/harness"
)

func riverOnSQLite() harness.System {
	return adapter{
		open: openRiver,
		declines: map[string]string{
			queuedSize: "a job that waits is a row of the file, and nothing in the client",
			replicated: "one SQLite file is not kept three times",
			recovery:   "has no lease: a job is taken from its worker when it has run for longer than any may, an hour if nothing else is said",
		},
	}.answers(harness.System{
		Name:  "river",
		About: "Client.Insert, 64 workers that look for jobs each millisecond, on SQLite (modernc.org/sqlite, WAL, one connection); a result is RecordOutput, waited for with Subscribe in one process; from another process, where the file is all there is, with JobList each millisecond. River writes what is done in batches, a quarter of a second after it if it is little",
		Find:  harness.Module("github.com/riverqueue/river"),
	})
}

const (
	riverWorkers = 64
	riverPoll    = river.FetchPollIntervalMin
	riverEvents  = 1 << 16 // more than may be in flight: those that find no room are dropped
	riverLook    = 1000    // jobs that are looked for at a time
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

// riverClient is a client, with the workers in it or without.
type riverClient struct {
	stage
	river   *riverEnd
	here    bool // workers are in this process
	next    atomic.Uint64
	waiting replies // for the results of numbers if workers are here, and of job ids if not
	stop    func()  // ends receiving
	gone    sync.WaitGroup
}

func openRiver(ctx context.Context, s site) (client, error) {
	c := &riverClient{stage: newStage("river-worker", s), here: s.place == oneProcess}
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
	c.brief.Dir, c.brief.Sync = dir, s.sync
	if c.river, err = newRiverEnd(c.brief, c.here); err != nil {
		return err
	}
	migrator, err := rivermigrate.New(c.river.driver, &rivermigrate.Config{Logger: quiet()})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	if !c.here {
		within, stop := context.WithCancel(context.WithoutCancel(ctx))
		c.stop = stop
		c.gone.Go(func() { c.look(within) })
		_, err := c.start(c.brief)
		return err
	}
	events, stop := c.river.client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: riverEvents, Kinds: []river.EventKind{river.EventKindJobCompleted, river.EventKindJobFailed},
	})
	c.stop = stop
	c.gone.Go(func() { c.receive(events) })
	return c.river.start()
}

// receive takes results from the jobs that have ended here.
func (c *riverClient) receive(events <-chan *river.Event) {
	for e := range events {
		var args riverArgs
		if err := json.Unmarshal(e.Job.EncodedArgs, &args); err != nil {
			c.waiting.fail(err)
			continue
		}
		c.ended(args.Number, e.Job)
	}
}

// look takes results from the jobs that have ended elsewhere.
func (c *riverClient) look(ctx context.Context) {
	for ; ctx.Err() == nil; time.Sleep(riverPoll) {
		ids := c.waiting.oldest(riverLook)
		if len(ids) == 0 {
			continue
		}
		done, err := c.river.client.JobList(ctx, river.NewJobListParams().IDs(ids...).First(len(ids)).
			States(rivertype.JobStateCompleted, rivertype.JobStateDiscarded))
		if err != nil {
			c.waiting.fail(err)
			continue
		}
		for _, job := range done.Jobs {
			c.ended(uint64(job.ID), job)
		}
	}
}

// ended gives the result of a job to who waits for it.
func (c *riverClient) ended(number uint64, job *rivertype.JobRow) {
	var result []byte
	err := fmt.Errorf("job %d is %s", job.ID, job.State)
	if job.State == rivertype.JobStateCompleted {
		err = json.Unmarshal(job.Output(), &result)
	}
	c.waiting.resolve(number, result, err)
}

func (c *riverClient) submit(ctx context.Context, task string, argument []byte) (future, error) {
	args := riverArgs{Task: task, Number: c.next.Add(1), Argument: argument}
	var r *reply
	if c.here { // the result may come before Insert has returned
		r = c.waiting.add(args.Number)
	}
	inserted, err := c.river.client.Insert(ctx, args, &river.InsertOpts{MaxAttempts: 1})
	if err == nil && !c.here {
		r = c.waiting.add(uint64(inserted.Job.ID))
	}
	return r, err
}

func (c *riverClient) flush(context.Context) error { return nil } // submit has waited

func (c *riverClient) close() (err error) {
	if c.stop != nil && !c.here {
		c.stop()
		c.gone.Wait()
	}
	err = c.endActors()
	if c.river != nil {
		err = errors.Join(err, c.river.close())
	}
	if c.stop != nil && c.here { // nothing more is done
		c.stop()
		c.gone.Wait()
	}
	return errors.Join(err, c.clear())
}

// A riverEnd is River on the database of a folder, in one process.
type riverEnd struct {
	db      *sql.DB
	driver  *riversqlite.Driver
	client  *river.Client[*sql.Tx]
	started bool
}

// newRiverEnd opens the database, for a client that works, once started, or one that
// does not.
func newRiverEnd(o orders, works bool) (*riverEnd, error) {
	synchronous := "normal" // in WAL mode: a file is written, and not waited for
	if o.Sync {
		synchronous = "full"
	}
	// Two processes wait for each other's transactions.
	db, err := sql.Open("sqlite", fmt.Sprintf(
		"file:%s?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(%s)",
		filepath.Join(o.Dir, "river.db"), synchronous))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // as River says: SQLite has one writer at a time
	config := &river.Config{Logger: quiet()}
	if works {
		config.Workers = river.NewWorkers()
		river.AddWorker(config.Workers, riverWorker{})
		config.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: riverWorkers}}
		config.FetchCooldown, config.FetchPollInterval = river.FetchCooldownMin, riverPoll
	}
	e := &riverEnd{db: db, driver: riversqlite.New(db)}
	if e.client, err = river.NewClient(e.driver, config); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return e, nil
}

func (e *riverEnd) start() error {
	err := e.client.Start(context.Background())
	e.started = err == nil
	return err
}

func (e *riverEnd) close() (err error) {
	if e.started {
		ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
		err = e.client.Stop(ctx)
		stop()
	}
	return errors.Join(err, e.db.Close())
}

// workRiver is the role of a worker.
func workRiver(ctx context.Context, o orders, ready func(url string)) error {
	e, err := newRiverEnd(o, true)
	if err != nil {
		return err
	}
	if err := e.start(); err != nil {
		return errors.Join(err, e.close())
	}
	ready("")
	<-ctx.Done()
	return e.close()
}
