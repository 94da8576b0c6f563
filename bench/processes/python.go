package processes

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/futures-go/futures/bench/internal/harness"
)

// What all peers in Python are asked, and an adapter for each of them.
var (
	//go:embed python/questions.py
	pythonQuestions string
	//go:embed python/processpoolexecutor.py
	processPoolExecutorPy string
	//go:embed python/multiprocessingpool.py
	multiprocessingPoolPy string
	//go:embed python/pebblepool.py
	pebblePy string
	//go:embed python/lokypool.py
	lokyPy string
	//go:embed python/joblibpool.py
	joblibPy string
	//go:embed python/daskpool.py
	daskPy string
	//go:embed python/raypool.py
	rayPy string
)

// pythonPeer is a peer in Python.
type pythonPeer struct {
	name, about string
	script      harness.PythonScript
	// distribution is what pip knows it by; empty for the standard library.
	distribution string
	heavy        bool // see harness.System
	// mapsOnly marks one that has no way to hand over a single task.
	mapsOnly bool
	// unnoticed tells why the future of a killed worker's task does not fail.
	unnoticed string
	// final tells why a task that was submitted cannot be cancelled.
	final string
}

func pythonPeers() []harness.System {
	var systems []harness.System
	for _, p := range []pythonPeer{
		{name: "processpoolexecutor", about: "CPython's concurrent.futures.ProcessPoolExecutor",
			script: harness.PythonScript{Name: "processpoolexecutor", Source: processPoolExecutorPy}},
		{name: "multiprocessing-pool", about: "CPython's multiprocessing.Pool, apply_async and map", unnoticed: "it never fails: whoever waits for it waits forever", final: "has no cancellation",
			script: harness.PythonScript{Name: "multiprocessingpool", Source: multiprocessingPoolPy}},
		{name: "pebble", about: "pebble.ProcessPool, schedule and map", distribution: "pebble", heavy: true,
			script: harness.PythonScript{Name: "pebblepool", Source: pebblePy}},
		{name: "loky", about: "loky.get_reusable_executor", distribution: "loky", heavy: true,
			script: harness.PythonScript{Name: "lokypool", Source: lokyPy}},
		{name: "joblib", about: "joblib.Parallel, whose processes are loky's", distribution: "joblib", heavy: true, mapsOnly: true,
			script: harness.PythonScript{Name: "joblibpool", Source: joblibPy}},
		{name: "dask", about: "dask.distributed, a LocalCluster of processes", distribution: "distributed", heavy: true, unnoticed: "the task is run again", final: "cancellation is asked for, and not known of at once",
			script: harness.PythonScript{Name: "daskpool", Source: daskPy}},
		{name: "ray", about: "Ray's remote functions, and its multiprocessing.Pool for maps", distribution: "ray", heavy: true, final: "cancellation is asked for, and not known of at once",
			script: harness.PythonScript{Name: "raypool", Source: rayPy}},
	} {
		systems = append(systems, p.system())
	}
	return systems
}

func (p pythonPeer) system() harness.System {
	p.script.Source = pythonQuestions + "\n\n" + p.script.Source
	s := harness.System{
		Name: p.name, About: p.about, Heavy: p.heavy,
		Find:    harness.PythonStdlib("multiprocessing", "concurrent.futures"),
		Answers: map[string]harness.Run{}, Declines: map[string]string{},
	}
	if p.distribution != "" {
		s.Find = harness.PythonPackage(p.distribution)
		s.Install = harness.InstallPython(p.distribution)
	}
	for _, question := range allQuestions {
		if p.mapsOnly && !slices.Contains([]string{mapItem, coldStart, sums, idle}, question) {
			s.Declines[question] = "has maps only"
			continue
		}
		if question == cancel && p.final != "" {
			s.Declines[question] = p.final
			continue
		}
		if question == notice && p.unnoticed != "" {
			s.Declines[question] = p.unnoticed
			continue
		}
		s.Answers[question] = func(ctx context.Context, params harness.Params) ([]float64, error) {
			text, err := json.Marshal(params)
			if err != nil {
				return nil, fmt.Errorf("parameters: %w", err)
			}
			return p.script.Measure(ctx, question, string(text))
		}
	}
	return s
}
