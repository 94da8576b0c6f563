package stream

import (
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// BenchmarkPublish asks what an acknowledged message costs the publisher, with as many
// on their way as a client has, over a buffered pipe and into memory.
func BenchmarkPublish(b *testing.B) {
	n := startNode(b, func(o *server.Options) { o.DontListen = true })
	c := n.connect(b, func(c *Config) { c.URL, c.InProcess = "", n.pipes })
	setup(b, c, Layout{Memory: true, MaxStored: 1 << 40})
	p := newPublisher(b, c)
	data := make([]byte, 64)
	window := make(chan struct{}, 256)
	done := func(_ uint64, err error) {
		if err != nil {
			b.Error(err)
		}
		<-window
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		window <- struct{}{}
		i++
		if err := p.Publish(task(c, i), "", nil, data, done); err != nil {
			b.Fatal(err)
		}
	}
	for range cap(window) {
		window <- struct{}{}
	}
}

// BenchmarkPull asks what a message costs that is there, pulled and acknowledged, by a
// puller with as many slots as a worker may have.
func BenchmarkPull(b *testing.B) {
	n := startNode(b, func(o *server.Options) { o.DontListen = true })
	inProcess := func(c *Config) { c.URL, c.InProcess = "", n.pipes }
	c, worker := n.connect(b, inProcess), n.connect(b, inProcess)
	setup(b, c, Layout{Memory: true, MaxStored: 1 << 40})
	p := newPublisher(b, c)
	window := make(chan struct{}, 256)
	for i := range b.N {
		window <- struct{}{}
		if err := p.Publish(task(c, i), "", nil, make([]byte, 64), func(uint64, error) { <-window }); err != nil {
			b.Fatal(err)
		}
	}
	for range cap(window) {
		window <- struct{}{}
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	finished := make(chan struct{})
	var q *Puller
	q, err := worker.NewPuller(PullerConfig{
		Stream: c.Names.Tasks(), Consumer: c.Names.Consumer(Default, 1),
		Message: func(m *Message) {
			if err := m.Ack(); err != nil {
				b.Error(err)
			}
			if left.Add(-1) == 0 {
				close(finished)
			}
			q.Request(1)
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Stop()
	b.ReportAllocs()
	b.ResetTimer()
	q.Request(64)
	<-finished
}
