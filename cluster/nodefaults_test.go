package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures/cluster/internal/stream"
)

// nodes are those of a cluster, each a process.
type nodes struct {
	parts     []part
	processes []*process
	url       string // of all, when they were started first
}

func playNodes(t *testing.T) *nodes {
	t.Helper()
	n := &nodes{parts: make([]part, 3)}
	routes := routesOf(t, len(n.parts)) // all know all before they are there
	for i := range n.parts {
		n.parts[i] = part{Name: fmt.Sprint("node", i), Dir: t.TempDir(), Listen: "127.0.0.1:0", Route: routes[i], Routes: routes}
	}
	var urls []string
	for _, p := range n.parts {
		n.processes = append(n.processes, play(t, "faults.server", p))
	}
	for _, p := range n.processes {
		urls = append(urls, p.line())
	}
	n.url = strings.Join(urls, ",")
	return n
}

// nodeLease is so long that a lease does not end while a leader is elected, which takes up to 9 s:
// the last word of a worker, a third of a lease before, is what the next leader knows.
const nodeLease = 15 * time.Second

// kill kills a node.
func (n *nodes) kill(i int) { n.processes[i].kill() }

// restart starts a node again that was killed.
func (n *nodes) restart(t *testing.T, i int) {
	t.Helper()
	n.processes[i] = play(t, "faults.server", n.parts[i])
	n.processes[i].line()
}

// leader returns the number of the node that leads a stream.
func (n *nodes) leader(t *testing.T, conn *stream.Conn, name string) (leader int) {
	t.Helper()
	eventually(t, "a leader", func() bool {
		s, err := conn.JS.Stream(t.Context(), name)
		if err != nil || s.CachedInfo().Cluster == nil {
			return false
		}
		leader = slices.IndexFunc(n.parts, func(p part) bool { return p.Name == s.CachedInfo().Cluster.Leader })
		return leader >= 0
	})
	return leader
}

// TestNodeKilled: with three replicas one of three nodes may be killed at any time, whichever it
// is: what was stored is there, and everything goes on (CL2).
func TestNodeKilled(t *testing.T) {
	t.Parallel()
	ctx, m := patient(t), newMeeting(t)
	n := playNodes(t)
	p := client(t, Options{Connection: Connection{URL: n.url}, Replicas: 3})
	for range 2 {
		play(t, "faults.worker", part{URL: n.url, Workers: 3, Lease: nodeLease})
	}
	held := meet.Submit(ctx, p, m.at("held"))
	visit := m.await("held")

	l := loaded(t, p, 10)
	names := p.conn.Names
	for _, stream := range []string{names.Tasks(), names.Results()} {
		l.goesOn(100)
		leads := n.leader(t, p.conn, stream)
		n.kill(leads)
		l.goesOn(100) // with two of three
		n.restart(t, leads)
		l.rest(func() { // a node on a busy machine may never catch up with a load
			for _, name := range streamsOf(names) {
				eventually(t, "the node to have what it missed of "+name, func() bool { return replicated(ctx, p.conn, name, len(n.parts)) })
			}
		})
	}
	l.goesOn(100)
	all := l.end()
	t.Logf("%d tasks, %d second runs", len(all), runAgain(t, all))
	t.Logf("what was running was begun %d times more", m.again("held"))
	visit.leave("still there")
	if v, err := held.Result(ctx); v != "still there" || err != nil {
		t.Errorf("what was running: %q, %v", v, err)
	}
	if letters := lettersOf(t, p); len(letters) != 0 {
		t.Errorf("dead letters: %v", letters)
	}
}
