package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/futures-go/futures/bench/internal/harness"
)

func engineByHand() harness.System {
	return adapter{open: openByHand}.answers(harness.System{
		Name:  "engine-by-hand",
		About: "JetStream with nats.go: Publish of each task, Consumer.Consume and a goroutine for each message, its result published to a stream before the Ack; the client subscribes to the results' subject",
		Find:  harness.Module("github.com/nats-io/nats.go"),
	})
}

// handClient is what a program has that uses JetStream itself.
type handClient struct {
	natsStage
	nc      *nats.Conn
	js      jetstream.JetStream
	id      string
	next    atomic.Uint64
	waiting replies
	hand    *hand // of the worker here
}

func openByHand(ctx context.Context, s site) (client, error) {
	c := &handClient{natsStage: natsStage{stage: newStage("nats-worker", s)}, id: nuid.Next()}
	if err := c.open(ctx, s); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *handClient) open(ctx context.Context, s site) (err error) {
	if c.nc, err = c.connect(s); err != nil {
		return err
	}
	if c.js, err = jetstream.New(c.nc); err != nil {
		return err
	}
	if err := makeStreams(ctx, c.js, s); err != nil {
		return err
	}
	// A result goes to the stream and to who listens at the same time.
	if _, err := c.nc.Subscribe(subjectResult+c.id+".*", c.resultCame); err != nil {
		return err
	}
	if err := c.nc.Flush(); err != nil {
		return err
	}
	switch {
	case s.empty:
	case s.place == oneProcess:
		c.hand, err = newHand(ctx, c.js, handSlots, s.lease)
	default:
		_, err = c.start(c.brief)
	}
	return err
}

func (c *handClient) resultCame(m *nats.Msg) {
	number, err := strconv.ParseUint(lastToken(m.Subject), 10, 64)
	if err != nil {
		return // nobody waits for that
	}
	if text := m.Header.Get(headerError); text != "" {
		c.waiting.resolve(number, nil, errors.New(text))
		return
	}
	c.waiting.resolve(number, m.Data, nil)
}

func (c *handClient) submit(ctx context.Context, task string, argument []byte) (future, error) {
	number := c.next.Add(1)
	r := c.waiting.add(number)
	_, err := c.js.Publish(ctx, fmt.Sprintf("%s%s.%s.%d", subjectTasks, task, c.id, number), argument)
	return r, err
}

func (c *handClient) flush(context.Context) error { return nil } // submit has waited

func (c *handClient) close() (err error) {
	if c.hand != nil {
		err = c.hand.stop()
	}
	if c.nc != nil {
		c.nc.Close()
	}
	return errors.Join(err, c.clear())
}

const (
	handSlots   = 64      // goroutines of a worker that is told no number; publishing a result takes most of their time
	headerError = "Error" // of a result that is none
)

// A hand takes tasks from the stream, runs them, and publishes the results.
type hand struct {
	js     jetstream.JetStream
	lease  time.Duration
	slots  chan struct{} // has room for those that run
	end    func()        // ends the taking of tasks, and waits for that
	failed atomic.Pointer[error]
}

// newHand starts to take as many tasks at a time as there are slots.
func newHand(ctx context.Context, js jetstream.JetStream, slots int, lease time.Duration) (*hand, error) {
	consumer, err := js.Consumer(ctx, streamTasks, consumerName)
	if err != nil {
		return nil, err
	}
	h := &hand{js: js, lease: lease, slots: make(chan struct{}, slots)}
	if slots == 1 {
		h.oneByOne(consumer)
		return h, nil
	}
	// Consume can lose a wake-up, and notices that by the heartbeats that it misses, of
	// which the default is 15 s apart.
	consume, err := consumer.Consume(func(m jetstream.Msg) {
		h.slots <- struct{}{}
		go func() {
			h.work(m)
			<-h.slots
		}()
	}, jetstream.PullHeartbeat(500*time.Millisecond))
	if err != nil {
		return nil, err
	}
	h.end = func() {
		consume.Stop()
		<-consume.Closed()
	}
	return h, nil
}

// oneByOne takes a task when the one before it is done, and none ahead.
func (h *hand) oneByOne(consumer jetstream.Consumer) {
	ctx, stop := context.WithCancel(context.Background())
	var gone sync.WaitGroup
	h.end = func() {
		stop()
		gone.Wait()
	}
	gone.Go(func() {
		for ctx.Err() == nil {
			m, err := consumer.Next(jetstream.FetchContext(ctx))
			if err == nil {
				h.work(m)
			} else if !errors.Is(err, jetstream.ErrNoMessages) && !errors.Is(err, nats.ErrTimeout) && ctx.Err() == nil {
				h.failed.CompareAndSwap(nil, &err)
				return
			}
		}
	})
}

// work does what there is to do for a task. If that fails it comes again.
func (h *hand) work(m jetstream.Msg) {
	if err := h.answer(m); err != nil {
		h.failed.CompareAndSwap(nil, &err)
	}
}

func (h *hand) answer(m jetstream.Msg) error {
	defer h.keep(m)()
	task, id, _ := strings.Cut(strings.TrimPrefix(m.Subject(), subjectTasks), ".")
	result := nats.NewMsg(subjectResult + id)
	b, err := runTask(context.Background(), task, m.Data())
	if err != nil {
		result.Header.Set(headerError, err.Error())
	}
	result.Data = b
	within, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	if _, err := h.js.PublishMsg(within, result); err != nil {
		return err
	}
	return m.Ack()
}

// keep extends the lease of a task until the function that it returns is called.
func (h *hand) keep(m jetstream.Msg) (stop func()) {
	if h.lease == 0 {
		return func() {} // no task takes that long
	}
	ticker, done := time.NewTicker(h.lease/3), make(chan struct{})
	go func() {
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				_ = m.InProgress() // or another worker has it
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}

// stop ends the worker when what it has begun is done.
func (h *hand) stop() error {
	h.end()
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	if err := h.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// workNATS is the role of a worker.
func workNATS(ctx context.Context, o orders, ready func(url string)) error {
	nc, err := nats.Connect(o.URL)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	slots := handSlots
	if o.Slots > 0 {
		slots = o.Slots
	}
	h, err := newHand(ctx, js, slots, time.Duration(o.LeaseMS)*time.Millisecond)
	if err != nil {
		return err
	}
	ready("")
	<-ctx.Done()
	return h.stop()
}

func lastToken(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }
