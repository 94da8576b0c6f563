// Package ipc is what processes share: queues, pipes, values, arrays, bytes and locks, in
// shared memory.
package ipc
