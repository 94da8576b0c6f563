// Package cluster asks executors on many machines, and what programs build instead of
// one on an engine or a job queue, what a task costs whose function runs elsewhere and
// whose result comes back.
//
// A system answers through the interface client. The roles in which this program is
// started again, as a server or as a worker, are in roles.go. All of it runs on one
// machine: what a network would add is not in any figure.
package cluster
