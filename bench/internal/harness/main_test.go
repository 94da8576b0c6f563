package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/futures-go/futures/internal/leakcheck"
)

func TestMain(m *testing.M) {
	roles().ServeIfChild()
	leakcheck.Main(m)
}

// helperVariable makes a process a helper of the adapter "leaves-a-process".
const helperVariable = "HARNESS_TEST_HELPER"

// roles is a catalog whose systems are what a child process can be like.
func roles() Catalog {
	found := func(context.Context) (string, error) { return "v1", nil }
	system := func(name string, run Run) System {
		return System{Name: name, Find: found, Answers: map[string]Run{"question": run}}
	}
	return Catalog{Groups: []Group{{
		Name: "roles",
		Questions: []Question{{
			Name: "question", Metrics: []Metric{{Unit: "ns", Better: Lower}}, Cases: []Case{{Quick: true}},
		}},
		Serve: func() {
			if os.Getenv(helperVariable) != "" {
				forever()
			}
		},
		Systems: []System{
			system("answers", func(_ context.Context, p Params) ([]float64, error) {
				fmt.Println("noise that is not the answer")
				return []float64{float64(p.Tasks)}, nil
			}),
			system("fails", func(context.Context, Params) ([]float64, error) {
				fmt.Fprintln(os.Stderr, "the reason")
				return nil, errors.New("5 of 7 tasks ran")
			}),
			system("declines", func(context.Context, Params) ([]float64, error) { return nil, Decline("has no queue") }),
			system("dies", func(context.Context, Params) ([]float64, error) {
				fmt.Fprintln(os.Stderr, "last words")
				os.Exit(3)
				return nil, nil
			}),
			system("hangs", func(context.Context, Params) ([]float64, error) { forever(); return nil, nil }),
			system("too-many", func(context.Context, Params) ([]float64, error) { return []float64{1, 2}, nil }),
			system("nonsense", func(context.Context, Params) ([]float64, error) { return []float64{-1}, nil }),
			system("cores", func(context.Context, Params) ([]float64, error) { return []float64{float64(allowedCores())}, nil }),
			system("leaves-a-process", func(context.Context, Params) ([]float64, error) {
				program, err := os.Executable()
				if err != nil {
					return nil, err
				}
				cmd := exec.Command(program)
				cmd.Env = append(os.Environ(), helperVariable+"=1")
				cmd.Stderr = os.Stderr // which the runner reads
				err = cmd.Start()
				return []float64{1}, err
			}),
		},
	}}}
}

func ask(system string, p Params) sample {
	return runChild(context.Background(), cell{Group: "roles", Question: "question", System: system, Params: p, Limit: 20 * time.Second})
}

// forever does not return; nor does the runtime call it a deadlock.
func forever() {
	for {
		time.Sleep(time.Hour)
	}
}
