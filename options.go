package futures

import (
	"fmt"
	"time"
)

// Option sets something for one Submit, or for each call of a Map.
type Option interface {
	MapOption
	forTask(*settings)
}

// MapOption sets something for a Map. Every Option is one too.
type MapOption interface{ forMap(*mapSettings) }

// Tag is a key and a value that a task carries, for logs and dashboards.
type Tag struct{ Key, Value string }

// settings is what the options of one task say.
type settings struct {
	timeout  time.Duration // of one attempt; 0 for none
	retry    *RetryPolicy  // nil for none
	delay    time.Duration // before the first attempt is queued; 0 for none
	priority int
	labels   []Tag
}

type mapSettings struct {
	task      []Option // passed on to each task
	window    int      // 0 for the default
	chunk     int      // 0 to let Map choose
	unordered bool
}

type taskOption func(*settings)

func (o taskOption) forTask(s *settings)   { o(s) }
func (o taskOption) forMap(m *mapSettings) { m.task = append(m.task, o) }

type mapOption func(*mapSettings)

func (o mapOption) forMap(m *mapSettings) { o(m) }

// Timeout bounds the time that one attempt of the task may run, counted from its
// start. Then the task's context ends with the cause ErrTimeout; a function that
// returns that, or its context's error, has failed with ErrTimeout, and one that
// returns a value in spite of it has succeeded, late. In a worker process a
// function that does not return is killed after the grace period. Timeout panics
// unless d is positive.
func Timeout(d time.Duration) Option {
	if d <= 0 {
		panic(fmt.Sprintf("futures.Timeout: %v is not positive", d))
	}
	return taskOption(func(s *settings) { s.timeout = d })
}

// Retry runs a task that failed again, as p says. While it waits for the next
// attempt the task is Pending and holds no worker. Retry panics if p makes no
// sense.
func Retry(p RetryPolicy) Option {
	if err := p.validate(); err != nil {
		panic("futures.Retry: " + err.Error())
	}
	return taskOption(func(s *settings) { s.retry = &p })
}

// Delay keeps a task back until d has passed since Submit; only then it is queued, behind
// those that are there. Until then it is Pending, can be cancelled, holds no worker and no
// place in the queue, which it needs no room to enter either. Close waits for it, Shutdown
// cancels it when its ctx ends. A Map with a Delay keeps each input back that long, counted
// from when it was read. Delay panics unless d is positive.
func Delay(d time.Duration) Option {
	if d <= 0 {
		panic(fmt.Sprintf("futures.Delay: %v is not positive", d))
	}
	return taskOption(func(s *settings) { s.delay = d })
}

// Priority lets a task leave the queue before those of lower priority and after
// those of higher. The default is 0; tasks of equal priority keep their order.
func Priority(n int) Option {
	return taskOption(func(s *settings) { s.priority = n })
}

// Label attaches a key and a value to the task. It can be given several times.
func Label(key, value string) Option {
	return taskOption(func(s *settings) { s.labels = append(s.labels, Tag{key, value}) })
}

// Window sets how many inputs a Map may be ahead of the results taken: read,
// queued, running or waiting to be taken. The default is four for each worker of
// the executor, more where inputs travel in chunks. Window panics unless n is
// positive.
func Window(n int) MapOption {
	if n < 1 {
		panic(fmt.Sprintf("futures.Window: %d is not positive", n))
	}
	return mapOption(func(m *mapSettings) { m.window = n })
}

// Chunk makes a Map pass n inputs to a worker at a time, as one task. By default
// the library starts with one and takes more while calls prove to be short; it
// stays with one if Window, Timeout, Retry or Delay is given, and on executors outside this
// process that do not take several at a time, whatever Chunk says. A crash of the worker
// process loses the values of all inputs of the chunk that it had begun. Since Timeout, Retry
// and Delay are about single calls, a Map given one of them and Chunk panics. Chunk panics
// unless n is positive.
func Chunk(n int) MapOption {
	if n < 1 {
		panic(fmt.Sprintf("futures.Chunk: %d is not positive", n))
	}
	return mapOption(func(m *mapSettings) { m.chunk = n })
}

// Unordered makes a Map yield results as they come instead of in input order.
func Unordered() MapOption {
	return mapOption(func(m *mapSettings) { m.unordered = true })
}
