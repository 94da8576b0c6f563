package procpool_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
)

// Sum adds the numbers below n. It is defined at package level, so that the program and
// its workers have it under the same name.
var Sum = futures.Define("example.sum", func(_ context.Context, n int64) (sum int64, err error) {
	for i := range n {
		sum += i
	}
	return sum, nil
})

// Quit ends its process.
var Quit = futures.Define("example.quit", func(_ context.Context, code int) (int, error) {
	os.Exit(code)
	return 0, nil
})

// Hang does not heed its context.
var Hang = futures.Define("example.hang", func(context.Context, struct{}) (int, error) {
	select {}
})

// Open fails as the operating system does.
var Open = futures.Define("example.open", func(_ context.Context, name string) (int, error) {
	_, err := os.Open(name)
	return 0, err
})

func ExampleNew() {
	// func main() {
	//	procpool.ServeIfWorker() // first line: a worker serves here and never returns

	procs, err := procpool.New(procpool.Options{Workers: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer procs.Close() // finishes everything

	ctx := context.Background()
	f := Sum.Submit(ctx, procs, 1000)
	fmt.Println(f.Result(ctx))
	for v, err := range Sum.Map(ctx, procs, slices.Values([]int64{10, 100})) {
		fmt.Println(v, err)
	}
	// Output:
	// 499500 <nil>
	// 45 <nil>
	// 4950 <nil>
}

// What happened to a task is told by its error.
func ExamplePool_failures() {
	procs, err := procpool.New(procpool.Options{Workers: 2, KillGrace: 50 * time.Millisecond, Stderr: discard})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer procs.Close()
	ctx := context.Background()

	_, err = Quit.Submit(ctx, procs, 3).Result(ctx)
	if crash, ok := errors.AsType[*futures.CrashError](err); ok {
		fmt.Println("crashed with exit code", crash.ExitCode)
	}

	_, err = Hang.Submit(ctx, procs, struct{}{}, futures.Timeout(50*time.Millisecond)).Result(ctx)
	fmt.Println("timed out:", errors.Is(err, futures.ErrTimeout))

	_, err = Open.Submit(ctx, procs, "/no/such/file").Result(ctx)
	fmt.Println("not there:", errors.Is(err, fs.ErrNotExist), err)

	fmt.Println(Sum.Submit(ctx, procs, 10).Result(ctx))
	// Output:
	// crashed with exit code 3
	// timed out: true
	// not there: true open /no/such/file: no such file or directory
	// 45 <nil>
}

// Load keeps a model for the tasks of its worker.
var Load = futures.Define("example.load", func(_ context.Context, name string) (struct{}, error) {
	model = "the model " + name
	return struct{}{}, nil
})

var model string // of this worker

// Ask uses the model.
var Ask = futures.Define("example.ask", func(_ context.Context, question string) (string, error) {
	return model + " says yes to " + question, nil
})

func ExampleInitialize() {
	procs, err := procpool.New(procpool.Options{Workers: 1, Init: procpool.Initialize(Load, "m.bin")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer procs.Close()
	ctx := context.Background()
	fmt.Println(Ask.Submit(ctx, procs, "everything").Result(ctx))
	// Output: the model m.bin says yes to everything <nil>
}
