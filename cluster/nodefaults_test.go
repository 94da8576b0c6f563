package cluster

import (
	"fmt"
	"net"
	"testing"
)

// playNodes starts three nodes of a cluster, each a process, and returns what starts them
// again.
func playNodes(t *testing.T) (nodes [3]*process, parts [3]part, urls string) {
	t.Helper()
	var routes []string
	for range nodes { // all know all before they are there
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		routes = append(routes, l.Addr().String())
		defer func() { _ = l.Close() }()
	}
	for i := range parts {
		parts[i] = part{Name: fmt.Sprint("node", i), Dir: t.TempDir(), Listen: "127.0.0.1:0", Route: routes[i], Routes: routes}
	}
	return nodes, parts, urls
}
