package cluster

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/futures-go/futures/bench/internal/harness"
)

func groupCommit() harness.System {
	return adapter{
		open:     openGrouped,
		declines: map[string]string{recovery: "is a floor: nobody looks after the leases"},
	}.answers(harness.System{
		Name:  "group-commit",
		About: "the floor: the same engine with many tasks in a message, made of what is submitted while one is on its way, and results likewise; functions run where they are received, and one function is all there is",
		Find:  harness.Module("github.com/nats-io/nats.go"),
	})
}

const (
	groupTasks = 256     // in a message, at most
	groupBytes = 1 << 18 // in a message with more than one task, at most
	pullBatch  = 128     // messages that a worker asks for
	pullExpiry = 5 * time.Second
)

// A group is tasks, or results, as one message: the number of the first and then, each
// with its length before it, the bytes of all.
type group []byte

func newGroup(first uint64) group { return binary.LittleEndian.AppendUint64(nil, first) }

func (g group) with(b []byte) group {
	return append(binary.LittleEndian.AppendUint32(g, uint32(len(b))), b...)
}

// first returns the number of the first item, and all of them.
func (g group) items() (first uint64, items [][]byte, err error) {
	if len(g) < 8 {
		return 0, nil, errors.New("a group without a number")
	}
	first = binary.LittleEndian.Uint64(g)
	for rest := g[8:]; len(rest) > 0; {
		if len(rest) < 4 {
			return 0, nil, errors.New("a group with half a length")
		}
		n := int(binary.LittleEndian.Uint32(rest))
		if n > len(rest)-4 {
			return 0, nil, errors.New("a group with half an item")
		}
		items = append(items, rest[4:4+n])
		rest = rest[4+n:]
	}
	return first, items, nil
}

// groupClient groups tasks while a group is on its way.
type groupClient struct {
	natsStage
	nc      *nats.Conn
	id      string
	waiting replies
	worker  *groupWorker // the one here

	mu      sync.Mutex
	number  uint64        // of the last task
	open    []group       // wait to be sent; tasks are added to the last one
	room    int           // for so many tasks in the last one
	sending bool          // one is on its way
	idle    chan struct{} // closed when none is, if somebody waits for that
}

func openGrouped(ctx context.Context, s site) (client, error) {
	c := &groupClient{natsStage: natsStage{stage: newStage("grouped-worker", s)}, id: nuid.Next()}
	if err := c.start(ctx, s); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *groupClient) start(ctx context.Context, s site) (err error) {
	if c.nc, err = c.connect(s); err != nil {
		return err
	}
	js, err := jetstream.New(c.nc)
	if err != nil {
		return err
	}
	if err := makeStreams(ctx, js, s); err != nil {
		return err
	}
	// A message that nobody takes keeps the server from making a file for each task: it
	// drops the file of a queue that has run empty.
	if _, err := js.Publish(ctx, subjectKeep, nil); err != nil {
		return err
	}
	for subject, receive := range map[string]nats.MsgHandler{
		subjectResult + c.id + ".*": c.resultsCame,
		c.stored():                  c.acknowledged,
	} {
		if _, err := c.nc.Subscribe(subject, receive); err != nil {
			return err
		}
	}
	if err := c.nc.Flush(); err != nil {
		return err
	}
	switch {
	case s.empty:
	case s.place == oneProcess:
		c.worker, err = newGroupWorker(c.nc)
	default:
		_, err = c.stage.start(c.brief)
	}
	return err
}

// stored is the subject of the server's acknowledgements.
func (c *groupClient) stored() string { return "stored." + c.id }

func (c *groupClient) submit(_ context.Context, task string, argument []byte) (future, error) {
	if task != taskEcho {
		return nil, fmt.Errorf("there is no task %q", task)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number++
	r := c.waiting.add(c.number)
	last := len(c.open) - 1
	if last < 0 || c.room == 0 || len(c.open[last])+len(argument) > groupBytes {
		c.open = append(c.open, newGroup(c.number))
		c.room = groupTasks
		last++
	}
	c.open[last] = c.open[last].with(argument)
	c.room--
	if !c.sending {
		return r, c.send()
	}
	return r, nil
}

// send sends the oldest group. The caller holds mu.
func (c *groupClient) send() error {
	g := c.open[0]
	c.open = c.open[1:]
	c.sending = true
	first := binary.LittleEndian.Uint64(g)
	return c.nc.PublishRequest(fmt.Sprintf("%s%s.%s.%d", subjectTasks, taskEcho, c.id, first), c.stored(), g)
}

// acknowledged goes on when the server has a group.
func (c *groupClient) acknowledged(m *nats.Msg) {
	err := pubAckError(m.Data)
	c.mu.Lock()
	c.sending = false
	if err == nil && len(c.open) > 0 {
		err = c.send()
	} else if c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
	c.mu.Unlock()
	if err != nil {
		c.waiting.fail(err)
	}
}

// pubAckError returns the error of a server's acknowledgement.
func pubAckError(text []byte) error {
	var ack struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(text, &ack); err != nil {
		return err
	}
	if ack.Error != nil {
		return ack.Error
	}
	return nil
}

func (c *groupClient) resultsCame(m *nats.Msg) {
	first, items, err := group(m.Data).items()
	if err != nil {
		c.waiting.fail(err)
		return
	}
	for i, b := range items {
		c.waiting.resolve(first+uint64(i), b, nil)
	}
}

func (c *groupClient) flush(ctx context.Context) error {
	c.mu.Lock()
	if !c.sending {
		c.mu.Unlock()
		return nil
	}
	if c.idle == nil {
		c.idle = make(chan struct{})
	}
	idle := c.idle
	c.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *groupClient) close() (err error) {
	if c.worker != nil {
		err = c.worker.failure()
	}
	if c.nc != nil {
		c.nc.Close()
	}
	return errors.Join(err, c.clear())
}

// A groupWorker takes groups, by requests of its own, and publishes what becomes of them.
type groupWorker struct {
	nc      *nats.Conn
	id      string
	due     int    // messages that were asked for and have not come; of the goroutine that receives
	sent    uint64 // results; likewise
	failed  atomic.Pointer[error]
	mu      sync.Mutex
	results map[string]string // subjects for the acks of tasks, by those of the results' own
}

// newGroupWorker starts one, which ends with its connection.
func newGroupWorker(nc *nats.Conn) (*groupWorker, error) {
	w := &groupWorker{nc: nc, id: nuid.Next(), results: make(map[string]string)}
	for subject, receive := range map[string]nats.MsgHandler{
		w.inbox():             w.came,
		"kept." + w.id + ".*": w.kept,
	} {
		if _, err := nc.Subscribe(subject, receive); err != nil {
			return nil, err
		}
	}
	// The first answer says that nothing is there, and then the asking is the receiver's.
	return w, nc.PublishRequest(nextMessage, w.inbox(), []byte(`{"batch":1,"no_wait":true}`))
}

const nextMessage = "$JS.API.CONSUMER.MSG.NEXT." + streamTasks + "." + consumerName

func (w *groupWorker) inbox() string { return "groups." + w.id }

// ask asks for messages, so that there are enough on their way.
func (w *groupWorker) ask() error {
	if w.due > pullBatch/2 {
		return nil
	}
	n := pullBatch - w.due
	w.due = pullBatch
	text := fmt.Sprintf(`{"batch":%d,"expires":%d}`, n, pullExpiry)
	return w.nc.PublishRequest(nextMessage, w.inbox(), []byte(text))
}

// came takes a group, or word that a request has ended.
func (w *groupWorker) came(m *nats.Msg) {
	err := func() error {
		if m.Header.Get("Status") != "" && len(m.Data) == 0 {
			pending, _ := strconv.Atoi(m.Header.Get("Nats-Pending-Messages")) // absent if nothing was asked
			w.due = max(0, w.due-pending)
			return w.ask()
		}
		w.due = max(0, w.due-1)
		if err := w.ask(); err != nil {
			return err
		}
		return w.work(m)
	}()
	if err != nil {
		w.failed.CompareAndSwap(nil, &err)
	}
}

func (w *groupWorker) work(m *nats.Msg) error {
	first, items, err := group(m.Data).items()
	if err != nil {
		return err
	}
	results := make(group, 0, len(m.Data))
	results = append(results, newGroup(first)...)
	for _, b := range items {
		result, err := runTask(context.Background(), taskEcho, b)
		if err != nil {
			return err
		}
		results = results.with(result)
	}
	w.sent++
	kept := fmt.Sprintf("kept.%s.%d", w.id, w.sent)
	w.mu.Lock()
	w.results[kept] = m.Reply
	w.mu.Unlock()
	subject := subjectResult + m.Subject[len(subjectTasks)+len(taskEcho)+1:]
	return w.nc.PublishRequest(subject, kept, results)
}

// kept acknowledges tasks when their results are stored.
func (w *groupWorker) kept(m *nats.Msg) {
	w.mu.Lock()
	reply := w.results[m.Subject]
	delete(w.results, m.Subject)
	w.mu.Unlock()
	err := pubAckError(m.Data)
	if err == nil {
		err = w.nc.Publish(reply, []byte("+ACK"))
	}
	if err != nil {
		w.failed.CompareAndSwap(nil, &err)
	}
}

func (w *groupWorker) failure() error {
	if err := w.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// workGrouped is the role of a worker.
func workGrouped(ctx context.Context, o orders, ready func(url string)) error {
	nc, err := nats.Connect(o.URL)
	if err != nil {
		return err
	}
	defer nc.Close()
	w, err := newGroupWorker(nc)
	if err != nil {
		return err
	}
	ready("")
	<-ctx.Done()
	return w.failure()
}
