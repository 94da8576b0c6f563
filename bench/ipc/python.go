package ipc

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/futures-go/futures/bench/internal/harness"
)

// What all peers in Python are asked, and an adapter for each of them.
var (
	//go:embed python/questions.py
	pythonQuestions string
	//go:embed python/mpqueue.py
	mpQueuePy string
	//go:embed python/mpsimplequeue.py
	mpSimpleQueuePy string
	//go:embed python/mppipe.py
	mpPipePy string
	//go:embed python/mppipebytes.py
	mpPipeBytesPy string
	//go:embed python/mpsemaphore.py
	mpSemaphorePy string
)

func pythonPeers() []harness.System {
	return []harness.System{
		pythonPeer("mpqueue", mpQueuePy, "multiprocessing", "multiprocessing.Queue, Lock, Value, and shared_memory",
			messages, bySize, structs, roundTrip, lock, add, handle, create),
		pythonPeer("mpsimplequeue", mpSimpleQueuePy, "multiprocessing-simplequeue", "multiprocessing.SimpleQueue",
			messages, bySize, structs, roundTrip),
		pythonPeer("mppipe", mpPipePy, "multiprocessing-pipe", "multiprocessing.Pipe, send and recv",
			messages, bySize, structs, roundTrip, handle),
		pythonPeer("mppipebytes", mpPipeBytesPy, "multiprocessing-pipe-bytes", "multiprocessing.Pipe, send_bytes and recv_bytes",
			messages, bySize, roundTrip),
		pythonPeer("mpsemaphore", mpSemaphorePy, "multiprocessing-semaphore", "multiprocessing.BoundedSemaphore(1)",
			lock),
	}
}

func pythonPeer(module, source, name, about string, questions ...string) harness.System {
	script := harness.PythonScript{Name: module, Source: pythonQuestions + "\n\n" + source}
	answers, declines := make(map[string]harness.Run), make(map[string]string)
	for _, question := range questions {
		if question == lock {
			declines[inherit] = "nobody ever has it: whoever waits for it waits forever"
		}
		answers[question] = func(ctx context.Context, p harness.Params) ([]float64, error) {
			text, err := json.Marshal(p)
			if err != nil {
				return nil, fmt.Errorf("parameters: %w", err)
			}
			return script.Measure(ctx, question, string(text))
		}
	}
	return harness.System{
		Name: name, About: about, Answers: answers, Declines: declines,
		Find: harness.PythonStdlib("multiprocessing", "multiprocessing.shared_memory"),
	}
}
