// Package cluster runs tasks on many machines, over NATS JetStream.
package cluster
