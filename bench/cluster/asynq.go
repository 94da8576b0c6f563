package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/futures-go/futures/bench/internal/harness"
)

func asynqOnRedis() harness.System {
	return adapter{
		open: openAsynq,
		declines: map[string]string{
			embedded:   "Redis is a process of its own",
			replicated: "Redis answers before its replicas have what it was given",
			recovery:   "its lease is 30 s, and it looks for lost tasks once a minute; neither can be set",
		},
	}.answers(harness.System{
		Name:    "asynq",
		About:   "Client.Enqueue and a Server of 64 workers that polls each millisecond, on a Redis started for the run, in memory but where fsync is asked for; it has no result to wait for: a worker pushes it to a list of the client's, who pops all there is",
		Find:    findAsynq,
		Install: installRedis,
	})
}

const (
	asynqWorkers  = 64 // 256 of them are slower
	asynqPoll     = time.Millisecond
	resultsAtOnce = 1024
)

func findAsynq(ctx context.Context) (string, error) {
	version, err := harness.Module("github.com/hibiken/asynq")(ctx)
	if err != nil {
		return "", err
	}
	redis, err := findRedis(ctx)
	return version + ", Redis " + redis, err
}

// findRedis returns the version of redis-server, which must know BLMPOP.
func findRedis(ctx context.Context) (version string, err error) {
	line, err := harness.Program("redis-server", "--version")(ctx)
	if err != nil {
		return "", err
	}
	if _, err := fmt.Sscanf(line, "Redis server v=%s", &version); err != nil {
		return "", fmt.Errorf("a redis-server of unknown version: %s", line)
	}
	var major int
	if _, err := fmt.Sscanf(version, "%d.", &major); err != nil || major < 7 {
		return "", fmt.Errorf("redis-server is %s, older than 7", version)
	}
	return version, nil
}

// installRedis gets Debian's package. Where services are started, that starts one, which the
// benchmark leaves alone: each run has a server of its own.
func installRedis(ctx context.Context) error {
	apt, err := exec.LookPath("apt-get")
	if err != nil {
		return errors.New("no apt-get; install redis-server yourself")
	}
	if os.Geteuid() != 0 {
		return errors.New("apt-get needs root; install redis-server yourself")
	}
	cmd := exec.CommandContext(ctx, apt, "install", "--yes", "--no-install-recommends", "redis-server")
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get: %w: %s", err, out)
	}
	return nil
}

// asynqClient is what a program has that uses asynq and wants results.
type asynqClient struct {
	stage
	redis   *exec.Cmd
	client  *asynq.Client
	rdb     *redis.Client
	id      string
	next    atomic.Uint64
	waiting replies
	stop    context.CancelFunc
	gone    sync.WaitGroup
	worker  *asynqWorker // the one here
}

func openAsynq(ctx context.Context, s site) (client, error) {
	c := &asynqClient{stage: newStage("asynq-worker", s), id: strconv.Itoa(os.Getpid())}
	if err := c.open(ctx, s); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *asynqClient) open(ctx context.Context, s site) (err error) {
	address, err := c.startRedis(ctx, s.sync)
	if err != nil {
		return err
	}
	c.brief.URL, c.abrupt = address, true
	c.client = asynq.NewClient(asynq.RedisClientOpt{Addr: address})
	within, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	c.gone.Go(func() { c.receive(within) })
	switch {
	case s.empty:
	case s.place == oneProcess:
		c.worker, err = newAsynqWorker(address)
	default:
		_, err = c.start(c.brief)
	}
	return err
}

// startRedis starts a server, waits until it answers, and returns its address.
func (c *asynqClient) startRedis(ctx context.Context, sync bool) (address string, err error) {
	dir, err := c.folder()
	if err != nil {
		return "", err
	}
	free, err := freeAddresses(1)
	if err != nil {
		return "", err
	}
	address = free[0]
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	appendOnly := "no"
	if sync {
		appendOnly = "yes"
	}
	log := filepath.Join(dir, "log")
	c.redis = exec.Command("redis-server", "--bind", host, "--port", port, "--dir", dir, "--save", "",
		"--appendonly", appendOnly, "--appendfsync", "always", "--logfile", log)
	if err := c.redis.Start(); err != nil {
		c.redis = nil
		return "", err
	}
	c.rdb = redis.NewClient(&redis.Options{Addr: address})
	for {
		err := c.rdb.Ping(ctx).Err()
		if err == nil {
			return address, nil
		}
		if ctx.Err() != nil {
			text, _ := os.ReadFile(log) // to say more
			return "", fmt.Errorf("redis-server: %w: %s", err, text)
		}
		time.Sleep(time.Millisecond)
	}
}

// receive takes results from the client's list.
func (c *asynqClient) receive(ctx context.Context) {
	for ctx.Err() == nil {
		_, results, err := c.rdb.BLMPop(ctx, time.Second, "right", resultsAtOnce, resultList(c.id)).Result()
		if err != nil && !errors.Is(err, redis.Nil) && ctx.Err() == nil {
			c.waiting.fail(err)
			return
		}
		for _, text := range results {
			number, result := cutNumber([]byte(text))
			c.waiting.resolve(number, result, nil)
		}
	}
}

func (c *asynqClient) submit(ctx context.Context, task string, argument []byte) (future, error) {
	number := c.next.Add(1)
	r := c.waiting.add(number)
	payload := withNumber(number, argument)
	_, err := c.client.EnqueueContext(ctx, asynq.NewTask(task, payload, asynq.TaskID(c.id+"."+strconv.FormatUint(number, 10))))
	return r, err
}

func (c *asynqClient) flush(context.Context) error { return nil } // submit has waited

func (c *asynqClient) close() (err error) {
	if c.worker != nil {
		err = c.worker.stop()
	}
	if c.stop != nil {
		c.stop()
	}
	err = errors.Join(err, c.endActors())
	if c.client != nil {
		err = errors.Join(err, c.client.Close())
	}
	if c.redis != nil {
		err = errors.Join(err, c.redis.Process.Kill())
		_ = c.redis.Wait() // it was killed
	}
	c.gone.Wait() // until Redis is gone it waits for results, for a second
	if c.rdb != nil {
		err = errors.Join(err, c.rdb.Close())
	}
	return errors.Join(err, c.clear())
}

// An asynqWorker runs tasks and pushes their results to their clients' lists.
type asynqWorker struct {
	server *asynq.Server
	rdb    *redis.Client
}

func newAsynqWorker(address string) (*asynqWorker, error) {
	w := &asynqWorker{
		server: asynq.NewServer(asynq.RedisClientOpt{Addr: address}, asynq.Config{
			Concurrency: asynqWorkers, TaskCheckInterval: asynqPoll, LogLevel: asynq.FatalLevel,
		}),
		rdb: redis.NewClient(&redis.Options{Addr: address, PoolSize: asynqWorkers}),
	}
	return w, w.server.Start(asynq.HandlerFunc(w.work))
}

func (w *asynqWorker) work(ctx context.Context, t *asynq.Task) error {
	number, argument := cutNumber(t.Payload())
	b, err := runTask(ctx, t.Type(), argument)
	if err != nil {
		return err
	}
	id, _ := asynq.GetTaskID(ctx)
	client := id[:len(id)-len(strconv.FormatUint(number, 10))-1]
	return w.rdb.LPush(ctx, resultList(client), withNumber(number, b)).Err()
}

func (w *asynqWorker) stop() error {
	w.server.Shutdown()
	return w.rdb.Close()
}

// workAsynq is the role of a worker.
func workAsynq(ctx context.Context, o orders, ready func(url string)) error {
	w, err := newAsynqWorker(o.URL)
	if err != nil {
		return err
	}
	ready("")
	<-ctx.Done()
	return w.stop()
}

func resultList(client string) string { return "results." + client }

// withNumber puts a number before bytes.
func withNumber(number uint64, b []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(b)), number), b...)
}

// cutNumber is the reverse of withNumber.
func cutNumber(b []byte) (number uint64, rest []byte) {
	return binary.LittleEndian.Uint64(b), b[8:]
}
