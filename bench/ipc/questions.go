package ipc

import "github.com/futures-go/futures/bench/internal/harness"

// The names of the questions, which the programs in Python know too.
const (
	messages  = "ipc-messages"
	bySize    = "ipc-by-size"
	structs   = "ipc-structs"
	roundTrip = "ipc-round-trip"
	lock      = "ipc-lock"
	add       = "ipc-add"
	inherit   = "ipc-owner-died"
	handle    = "ipc-handle"
	create    = "ipc-create"
)

// Group returns the questions about what processes share and the systems that answer
// them.
func Group() harness.Group {
	return harness.Group{
		Name:      "ipc",
		Title:     "What processes share",
		Questions: questions(),
		Systems: append([]harness.System{
			ours(), pipeEnd(), array(), semaphore(), sharedMemory(), fileLock(), barePipe(), unixSocket(),
		}, pythonPeers()...),
		Serve: serve,
	}
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

func questions() []harness.Question {
	rate := []harness.Metric{{Unit: "messages/s", Better: harness.Higher}}
	nanos := []harness.Metric{{Unit: "ns", Better: harness.Lower}}
	placed := harness.Placed(harness.Case{Params: harness.Params{Workers: 1}})
	placed[0].Quick = true
	processes := harness.Growth([]int{1, 2, 4, 8}, []int{1, 2}, func(n int) harness.Params {
		return harness.Params{Workers: n}
	})
	return []harness.Question{
		{
			Name:    messages,
			Asks:    "How many messages a second go from one process to another, or from two to two through one queue, by size?",
			Metrics: rate,
			Cases: []harness.Case{
				{Name: "1:1 16 B", Params: harness.Params{Workers: 1, Payload: 16}, Quick: true},
				{Name: "1:1 1 KiB", Params: harness.Params{Workers: 1, Payload: kib}},
				{Name: "1:1 64 KiB", Params: harness.Params{Workers: 1, Payload: 64 * kib}},
				{Name: "2:2 16 B", Params: harness.Params{Workers: 2, Payload: 16}, Quick: true},
				{Name: "2:2 1 KiB", Params: harness.Params{Workers: 2, Payload: kib}},
				{Name: "2:2 64 KiB", Params: harness.Params{Workers: 2, Payload: 64 * kib}},
			},
		},
		{
			Name:    structs,
			Asks:    "How many small structs of a number, a word and a fraction go from one process to another in a second? In Python they are tuples.",
			Metrics: rate,
			Cases:   []harness.Case{{Params: harness.Params{Workers: 1}, Quick: true}},
		},
		{
			Name: roundTrip,
			Asks: "How long does a message of 16 bytes take to another process and back, one at a time, by placement?",
			Metrics: []harness.Metric{
				{Name: "p50", Unit: "us", Better: harness.Lower},
				{Name: "p99", Unit: "us", Better: harness.Lower},
			},
			Cases: placed,
		},
		{
			Name:    lock,
			Asks:    "How long is it from one taking and giving back of a lock to the next, by any of so many processes that do nothing else?",
			Metrics: nanos,
			Grows:   "processes",
			Cases:   processes,
		},
		{
			Name: inherit,
			Asks: "A process is killed (SIGKILL) that has a lock: how long does it take until the next one has it?",
			Metrics: []harness.Metric{
				{Name: "p50", Unit: "ms", Better: harness.Lower},
				{Name: "p99", Unit: "ms", Better: harness.Lower},
			},
			Cases: []harness.Case{{Params: harness.Params{}, Quick: true}},
		},
		{
			Name:    add,
			Asks:    "How long is it from one addition to a shared number to the next, by any of so many processes that do nothing else?",
			Metrics: nanos,
			Grows:   "processes",
			Cases:   processes,
		},
		{
			Name: handle,
			Asks: "How long does it take to hand memory to another process, until that has read its first and last byte and said so, for the first time and later, by size? What travels is a handle, a name or a descriptor; with multiprocessing.Pipe, all of the memory.",
			Metrics: []harness.Metric{
				{Name: "first", Unit: "us", Better: harness.Lower},
				{Name: "later", Unit: "us", Better: harness.Lower},
			},
			Grows: "bytes",
			Cases: harness.Growth([]int{kib, 64 * kib, mib, 16 * mib, 64 * mib}, []int{64 * mib}, func(n int) harness.Params {
				return harness.Params{Payload: n}
			}),
		},
		{
			Name: create,
			Asks: "How long does it take to make shared memory and fill it, and, in a process that has not seen it, to open it, read its first and last byte, and let go of it?",
			Metrics: []harness.Metric{
				{Name: "create", Unit: "us", Better: harness.Lower},
				{Name: "attach", Unit: "us", Better: harness.Lower},
			},
			Cases: []harness.Case{
				{Name: "64 KiB", Params: harness.Params{Payload: 64 * kib}, Quick: true},
				{Name: "1 MiB", Params: harness.Params{Payload: mib}},
			},
		},
		{
			Name:    bySize,
			Asks:    "How does the number of messages a second from one process to another depend on their size?",
			Metrics: rate,
			Grows:   "bytes",
			Cases: harness.Growth([]int{16, 256, 4 * kib, 64 * kib, mib, 16 * mib}, []int{4 * kib}, func(n int) harness.Params {
				return harness.Params{Workers: 1, Payload: n}
			}),
		},
	}
}
