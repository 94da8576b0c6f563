package goroutines

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
)

//go:embed java/Pools.java
var javaSource string

//go:embed rust
var rustFiles embed.FS

// A foreign is a program in another language that answers questions about several
// systems. It is called with the system, the question and the parameters.
type foreign interface {
	Find(ctx context.Context) (string, error)
	Measure(ctx context.Context, args ...string) ([]float64, error)
}

// ask returns the Run of a question.
func ask(program foreign, system, question string, unbounded bool) harness.Run {
	return func(ctx context.Context, p harness.Params) ([]float64, error) {
		if unbounded && question != roundTrip && p.Workers != anyWorkers {
			return nil, errUnbounded
		}
		// A machine's code is compiled while it runs.
		warm := time.Second
		if p.Quick {
			warm = 50 * time.Millisecond
		}
		args := []string{system, question}
		for _, n := range []int{
			max(1, p.Workers), max(1, p.Submitters), p.Tasks,
			int(p.Work), int(p.Pause), int(p.Time), inFlight, sampleOf, int(warm),
		} {
			args = append(args, fmt.Sprint(n))
		}
		return program.Measure(ctx, args...)
	}
}

// asked returns the answers of a foreign system.
func asked(program foreign, system string, unbounded bool, questions ...string) map[string]harness.Run {
	answers := make(map[string]harness.Run)
	for _, q := range questions {
		answers[q] = ask(program, system, q, unbounded)
	}
	return answers
}

// javaPool is an executor of Java's.
func javaPool(name, executor, about string, needs int) harness.System {
	program := harness.Java{Class: "Pools", Source: javaSource, Needs: needs}
	virtual := executor == "virtual"
	questions := []string{emptyTask, resultTask, shortTasks, roundTrip, bySubmitters}
	if !virtual {
		questions = append(questions, byWorkers)
	}
	if executor == "forkjoin" {
		questions = append(questions, mapItem)
	}
	return harness.System{
		Name:    name,
		About:   about,
		Find:    program.Find,
		Answers: asked(program, executor, virtual, questions...),
	}
}

// crate is the program about Rust's systems; needs is the one whose version counts.
func crate(needs string) harness.Crate {
	files, err := fs.Sub(rustFiles, "rust")
	if err != nil {
		panic(err) // "rust" is a valid path
	}
	return harness.Crate{Name: "pools", Files: files, Needs: needs}
}

func rustSystem(name, about string, questions ...string) harness.System {
	program := crate(name)
	return harness.System{
		Name:    name,
		About:   about,
		Find:    program.Find,
		Install: program.Install,
		Answers: asked(program, name, false, questions...),
	}
}

func rayon() harness.System {
	return rustSystem("rayon", "a rayon ThreadPool: spawn in a scope; a parallel iterator for maps",
		emptyTask, shortTasks, byWorkers, bySubmitters, mapItem)
}

func tokio() harness.System {
	return rustSystem("tokio", "tokio's multi-threaded runtime: spawn, and await of the handle", resultTask, roundTrip)
}
