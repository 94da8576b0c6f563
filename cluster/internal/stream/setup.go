package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A Layout says what streams there should be. A zero field takes what exists, or the
// default for what does not.
type Layout struct {
	Replicas  int           // of streams, consumers and buckets; default 1
	MaxStored int64         // messages in TASKS; default 1,000,000
	ResultTTL time.Duration // how long results are kept; default an hour
	Lease     time.Duration // how long a worker may be silent; default 30 s
	Memory    bool          // keep nothing on disk; only what is made now
	Queues    []string      // whose consumers are to exist; see SetupConsumers
}

// The defaults of a Layout, and what else streams are made with.
const (
	DefaultMaxStored = 1_000_000
	DefaultResultTTL = time.Hour
	DefaultLease     = 30 * time.Second

	DuplicateWindow = 2 * time.Minute // for how long TASKS knows a message's id
	DeadTTL         = 7 * 24 * time.Hour
	PresenceTTL     = 10 * time.Second
	MaxAckPending   = 65_536 // messages of a queue's level that workers may have
	MaxWaiting      = 16_384 // pull requests of a queue's level
	setupPause      = 100 * time.Millisecond
	settleWait      = 10 * time.Second // for what isUnsettled
)

// A DifferenceError tells that a stream or consumer exists and is not what was asked
// for.
type DifferenceError struct {
	Where, What string   // the server, the stream or consumer
	Differences []string // as in "Replicas is 1, want 3"
}

func (e *DifferenceError) Error() string {
	return fmt.Sprintf("%s: %s exists with other settings: %s", e.Where, e.What, strings.Join(e.Differences, "; "))
}

// Setup makes the streams, buckets and consumers that are missing. What exists is not
// changed: if it differs from what the layout says it returns a *DifferenceError. While the
// server is not ready it tries again, until ctx ends.
func (c *Conn) Setup(ctx context.Context, l Layout) error {
	for _, s := range c.streams(l) {
		if err := c.patiently(ctx, s.Name, func(ctx context.Context) error { return c.makeStream(ctx, l, s) }); err != nil {
			return err
		}
	}
	if err := c.patiently(ctx, c.Names.Workers(), func(ctx context.Context) error { return c.makeWorkers(ctx, l) }); err != nil {
		return err
	}
	return c.makeConsumers(ctx, l.Lease, l.Queues)
}

// SetupConsumers makes the consumers of queues that are missing, as Setup does. Streams
// are for clients to make, who know how many replicas there are to be: it waits for
// them, until ctx ends.
func (c *Conn) SetupConsumers(ctx context.Context, lease time.Duration, queues []string) error {
	for pause := setupPause; ; pause = min(2*pause, time.Second) {
		err := c.patiently(ctx, c.Names.Workers(), func(ctx context.Context) error {
			_, err := c.JS.KeyValue(ctx, c.Names.Workers()) // what Setup makes last
			return err
		})
		if err == nil {
			return c.makeConsumers(ctx, lease, queues)
		}
		if !errors.Is(err, jetstream.ErrBucketNotFound) {
			return err
		}
		if pause == setupPause {
			c.log.Info("cluster: waiting for the first client, which makes the streams", "server", c.where, "namespace", c.Names.Namespace())
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%s: no client has made the streams of namespace %s: %w", c.where, c.Names.Namespace(), ctx.Err())
		}
	}
}

func (c *Conn) makeConsumers(ctx context.Context, lease time.Duration, queues []string) error {
	for _, q := range queues {
		if err := CheckName("queue", q); err != nil {
			return err
		}
		for level := range Levels {
			name := c.Names.Consumer(q, level)
			if err := c.patiently(ctx, name, func(ctx context.Context) error { return c.makeConsumer(ctx, lease, q, level) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l Layout) storage() jetstream.StorageType {
	if l.Memory {
		return jetstream.MemoryStorage
	}
	return jetstream.FileStorage
}

// streams returns the streams, those that others take messages from first.
func (c *Conn) streams(l Layout) []jetstream.StreamConfig {
	p := c.Names.prefix
	ttl := cmp.Or(l.ResultTTL, DefaultResultTTL)
	all := []jetstream.StreamConfig{
		{
			Name:              c.Names.Later(),
			Description:       "tasks whose time has not come",
			Subjects:          []string{p + "at.>", p + "due.>"},
			Retention:         jetstream.WorkQueuePolicy,
			AllowMsgSchedules: true,
			AllowMsgTTL:       true,
		},
		{
			Name:               c.Names.Tasks(),
			Description:        "tasks that no worker has finished",
			Subjects:           []string{p + "q.>", p + "keep.*"},
			Retention:          jetstream.WorkQueuePolicy,
			Discard:            jetstream.DiscardNew,
			MaxMsgs:            cmp.Or(l.MaxStored, DefaultMaxStored),
			MaxMsgsPerSubject:  1,
			Duplicates:         DuplicateWindow,
			AllowAtomicPublish: true,
			Sources: []*jetstream.StreamSource{{
				Name: c.Names.Later(),
				SubjectTransforms: []jetstream.SubjectTransformConfig{{
					Source:      p + "due.*.*.*.*",
					Destination: p + "q.{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}.{{wildcard(4)}}",
				}},
			}},
		},
		{
			Name:                 c.Names.Results(),
			Description:          "results that their clients may still ask for",
			Subjects:             []string{p + "r.>"},
			Discard:              jetstream.DiscardNew,
			DiscardNewPerSubject: true,
			MaxMsgsPerSubject:    1,
			MaxAge:               ttl,
			AllowMsgTTL:          true,
		},
		{
			Name:        c.Names.Dead(),
			Description: "tasks that were given up",
			Subjects:    []string{p + "dead.>"},
			MaxAge:      DeadTTL,
		},
		{
			Name:              c.Names.Blobs(),
			Description:       "arguments and results that are too long for a message",
			Subjects:          []string{p + "b.>"},
			MaxMsgsPerSubject: 1,
			MaxAge:            DeadTTL,
		},
	}
	for i := range all {
		s := &all[i]
		s.Storage = l.storage()
		s.Replicas = cmp.Or(l.Replicas, 1)
		s.AllowDirect = true
		if s.MaxMsgs == 0 {
			s.MaxMsgs = -1
		}
		if s.MaxMsgsPerSubject == 0 {
			s.MaxMsgsPerSubject = -1
		}
		s.MaxBytes = -1
	}
	return all
}

// makeStream makes a stream, or compares the one that exists.
func (c *Conn) makeStream(ctx context.Context, l Layout, want jetstream.StreamConfig) error {
	s, err := c.JS.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = c.JS.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			s, err = c.JS.Stream(ctx, want.Name) // somebody else was faster
		}
	}
	if err != nil {
		return err
	}
	have := s.CachedInfo().Config
	d := differences{where: c.where, what: "stream " + want.Name}
	compare(&d, "Subjects", strings.Join(have.Subjects, " "), strings.Join(want.Subjects, " "))
	compare(&d, "Retention", have.Retention, want.Retention)
	compare(&d, "Discard", have.Discard, want.Discard)
	compare(&d, "DiscardNewPerSubject", have.DiscardNewPerSubject, want.DiscardNewPerSubject)
	compare(&d, "MaxMsgsPerSubject", have.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	compare(&d, "AllowDirect", have.AllowDirect, want.AllowDirect)
	compare(&d, "AllowMsgSchedules", have.AllowMsgSchedules, want.AllowMsgSchedules)
	compareIf(&d, l.Replicas != 0, "Replicas", have.Replicas, want.Replicas)
	compareIf(&d, l.MaxStored != 0 && want.Name == c.Names.Tasks(), "MaxMsgs", have.MaxMsgs, want.MaxMsgs)
	compareIf(&d, l.ResultTTL != 0 && want.Name == c.Names.Results(), "MaxAge", have.MaxAge, want.MaxAge)
	return d.err()
}

func (c *Conn) makeConsumer(ctx context.Context, lease time.Duration, queue string, level int) error {
	want := jetstream.ConsumerConfig{
		Durable:       c.Names.Consumer(queue, level),
		FilterSubject: c.Names.TaskFilter(queue, level),
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       cmp.Or(lease, DefaultLease),
		MaxDeliver:    -1,
		MaxAckPending: MaxAckPending,
		MaxWaiting:    MaxWaiting,
	}
	consumer, err := c.JS.Consumer(ctx, c.Names.Tasks(), want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		consumer, err = c.JS.CreateConsumer(ctx, c.Names.Tasks(), want)
		if errors.Is(err, jetstream.ErrConsumerExists) {
			consumer, err = c.JS.Consumer(ctx, c.Names.Tasks(), want.Durable)
		}
	}
	if err != nil {
		return err
	}
	have := consumer.CachedInfo().Config
	d := differences{where: c.where, what: "consumer " + want.Durable + " of " + c.Names.Tasks()}
	compare(&d, "FilterSubject", have.FilterSubject, want.FilterSubject)
	compare(&d, "AckPolicy", have.AckPolicy, want.AckPolicy)
	compare(&d, "MaxDeliver", have.MaxDeliver, want.MaxDeliver)
	compareIf(&d, lease != 0, "AckWait", have.AckWait, want.AckWait)
	return d.err()
}

func (c *Conn) makeWorkers(ctx context.Context, l Layout) error {
	_, err := c.JS.KeyValue(ctx, c.Names.Workers())
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		_, err = c.JS.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket:         c.Names.Workers(),
			Description:    "workers that are alive",
			TTL:            PresenceTTL,
			LimitMarkerTTL: PresenceTTL,
			Storage:        l.storage(), // in memory only it would be gone when a server starts again
			Replicas:       cmp.Or(l.Replicas, 1),
		})
		if errors.Is(err, jetstream.ErrBucketExists) {
			return nil
		}
	}
	return err
}

// patiently calls do again while the server is not ready, until ctx ends. That there are
// too few nodes, say, may be so because they have just started, and do not know each other yet: it
// is believed after settleWait. Its errors name the server and what was to be made.
func (c *Conn) patiently(ctx context.Context, what string, do func(context.Context) error) error {
	var unsettled time.Time // since when; zero if it is not
	for {
		once, cancel := context.WithTimeout(ctx, callWait) // an answer can get lost
		err := do(once)
		cancel()
		if err == nil {
			return nil
		}
		if _, differs := errors.AsType[*DifferenceError](err); differs {
			return err
		}
		err = fmt.Errorf("%s: %s: %w", c.where, what, err)
		switch {
		case !isUnsettled(err):
			unsettled = time.Time{}
		case unsettled.IsZero():
			unsettled = time.Now()
		}
		if wait := !unsettled.IsZero() && time.Since(unsettled) < settleWait; !wait && !isTransient(err) {
			return err
		}
		select {
		case <-time.After(setupPause):
		case <-ctx.Done():
			return err
		}
	}
}

// differences collects what differs.
type differences struct {
	where, what string
	all         []string
}

func compare[T comparable](d *differences, name string, have, want T) {
	compareIf(d, true, name, have, want)
}

func compareIf[T comparable](d *differences, asked bool, name string, have, want T) {
	if asked && have != want {
		d.all = append(d.all, fmt.Sprintf("%s is %v, want %v", name, have, want))
	}
}

func (d *differences) err() error {
	if d.all == nil {
		return nil
	}
	return &DifferenceError{d.where, d.what, d.all}
}
