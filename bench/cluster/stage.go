package cluster

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
)

// anyPort is the address of a server that takes a free port.
const anyPort = "127.0.0.1:0"

// A stage is the processes with which a client was opened, and their folders.
type stage struct {
	role    string // of workers
	abrupt  bool   // they are killed in the end, since ending by themselves takes them seconds
	brief   orders // for those
	actors  []*actor
	folders []string
}

func newStage(role string, s site) stage {
	return stage{role: role, brief: orders{LeaseMS: int(s.lease.Milliseconds())}}
}

// start starts a worker.
func (st *stage) start(o orders) (*actor, error) {
	a, err := st.add(st.role, o)
	if err == nil {
		a.kill = st.abrupt
	}
	return a, err
}

// addWorker starts a worker that runs so many tasks at a time; 0 for any number.
func (st *stage) addWorker(slots int) (*os.Process, error) {
	o := st.brief
	o.Slots = slots
	a, err := st.start(o)
	if err != nil {
		return nil, err
	}
	return a.cmd.Process, nil
}

// add starts a process.
func (st *stage) add(role string, o orders) (*actor, error) {
	a, err := start(role, o)
	if err == nil {
		st.actors = append(st.actors, a)
	}
	return a, err
}

// folder makes one for a server.
func (st *stage) folder() (string, error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err == nil {
		st.folders = append(st.folders, dir)
	}
	return dir, err
}

// endActors ends the processes, those first that were started last.
func (st *stage) endActors() (err error) {
	for _, a := range slices.Backward(st.actors) {
		err = errors.Join(err, a.stop())
	}
	st.actors = nil
	return err
}

// clear ends the processes and removes the folders.
func (st *stage) clear() error {
	err := st.endActors()
	for _, dir := range st.folders {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// startServers starts the NATS servers of a site, in a role, and returns their addresses,
// which workers are told too. If there are three they listen for each other.
func (st *stage) startServers(s site, role string) (urls string, err error) {
	o := orders{Sync: s.sync}
	n := 1
	if s.place == threeServers {
		n = 3
		if o.Routes, err = freeAddresses(n); err != nil {
			return "", err
		}
	}
	var all []string
	for i := range n {
		o.Name = fmt.Sprintf("server%d", i+1)
		if n > 1 {
			o.Peer = o.Routes[i]
		}
		if o.Dir, err = st.folder(); err != nil {
			return "", err
		}
		a, err := st.add(role, o)
		if err != nil {
			return "", err
		}
		all = append(all, a.url)
	}
	st.brief.URL = strings.Join(all, ",")
	return st.brief.URL, nil
}

// freeAddresses returns addresses that nobody listened at a moment ago: each of several
// servers must know those of the others before any is started.
func freeAddresses(n int) (addresses []string, err error) {
	var held []net.Listener
	for range n {
		l, failed := net.Listen("tcp", anyPort)
		if failed != nil {
			err = failed
			break
		}
		held = append(held, l)
		addresses = append(addresses, l.Addr().String())
	}
	for _, l := range held {
		err = errors.Join(err, l.Close())
	}
	return addresses, err
}
