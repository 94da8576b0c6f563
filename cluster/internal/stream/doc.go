// Package stream is NATS JetStream as this project uses it: names, streams and
// consumers, connecting, acknowledged publishing, pulling. It knows nothing of
// tasks; what a message holds is package envelope's.
//
// The data path speaks JetStream's own protocol over a [nats.Conn]: a [Publisher]
// is one subscription for all acknowledgements, a [Puller] one subscription for all
// pull requests of a consumer, and neither starts a goroutine or a timer for a
// message. Package jetstream of nats.go only makes streams and buckets. Its Consume
// is not used: it loses a wake-up and stalls until a heartbeat is missed.
//
// # Guarantees
//
// ST1: the done function of each call is called exactly once: with the server's
// answer, or with the reason why there is none.
//
// ST2: what is published with a message id is sent again until the server has
// answered, over reconnects and restarts; the server drops the copies. What a leader that was
// killed had not passed on is sent again as soon as its stream stores something that was sent
// later; and while a stream is silent its oldest message is sent again twice a second, to find
// out.
//
// ST3: a Puller asks for no more messages than were requested of it, and it never
// forgets to ask: whatever becomes of a pull request, what it did not bring is asked
// for again.
//
// ST4: Close of a [Conn] returns when none of its callbacks runs and none of its
// goroutines is left.
//
// # Concurrency
//
// Every method may be called from any goroutine, and from callbacks. Callbacks run
// on the goroutine of their subscription, one after another, and delay what comes
// after them; those of a publisher's or a call's timeout run on the connection's
// sweeper. No lock is held while one runs.
//
// Lock order: none of the locks here is held while another is taken, but for those
// inside nats.go.
package stream
