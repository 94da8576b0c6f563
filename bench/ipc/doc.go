// Package ipc asks what processes share, queues, pipes, locks, counters and memory,
// how fast it is, of this library, of Python's multiprocessing, and of the bare
// mechanisms below both.
//
// What the peers in Go are asked is in measure.go; what the process at the other end
// does, in other.go; the roles in which this program is started again for the floors,
// in roles.go. Peers in Python have the folder python, as those of package processes
// have.
package ipc
