package ipc_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
)

// How long does a message take to another process and back, and how many go one way in a
// second? os.Pipe between the same two processes and CPython's multiprocessing.Pipe do the same
// in the same run.

var (
	// benchPipeDrain receives to the end.
	benchPipeDrain = futures.Define("bench.pipeDrain", func(ctx context.Context, in benchPipe) (n int, err error) {
		defer in.End.Close()
		buf := make([]byte, 64<<10)
		for ; ; n++ {
			if in.Into {
				_, err = ipc.RecvInto(ctx, in.End, buf)
			} else {
				_, err = in.End.Recv(ctx)
			}
			if err == io.EOF {
				return n, nil
			}
			if err != nil {
				return n, err
			}
		}
	})
	// benchFilePipe echoes single bytes from one file to another, which come through the
	// pipe.
	benchFilePipe = futures.Define("bench.filePipe", func(ctx context.Context, e *ipc.PipeEnd[[]byte]) (n int, err error) {
		defer e.Close()
		in, err := e.RecvFile(ctx)
		if err != nil {
			return 0, err
		}
		defer in.Close()
		out, err := e.RecvFile(ctx)
		if err != nil {
			return 0, err
		}
		defer out.Close()
		b := make([]byte, 16)
		for ; ; n++ {
			if _, err := in.Read(b); err != nil {
				return n, nil
			}
			if _, err := out.Write(b); err != nil {
				return n, err
			}
		}
	})
)

type benchPipe struct {
	End  *ipc.PipeEnd[[]byte]
	Into bool
}

// samples returns how long each of n calls took, after a few that do not count.
func samples(b *testing.B, n int, call func() error) []time.Duration {
	b.Helper()
	all := make([]time.Duration, 0, n)
	for i := range n + 1000 {
		start := time.Now()
		if err := call(); err != nil {
			b.Fatal(err)
		}
		if i >= 1000 {
			all = append(all, time.Since(start))
		}
	}
	return all
}

func BenchmarkPipeRoundTrip(b *testing.B) {
	p := benchPool(b, 1)
	b.Run("ipc.Pipe", func(b *testing.B) {
		here, there := pipeOf[[]byte](b, ipc.PipeOptions{Duplex: true})
		f := pipeEcho.Submit(b.Context(), p, there)
		there.Close()
		message := make([]byte, 16)
		reportSamples(b, samples(b, max(b.N, 1000), func() error {
			if err := here.Send(b.Context(), message); err != nil {
				return err
			}
			_, err := ipc.RecvInto(b.Context(), here, message)
			return err
		}))
		here.Close()
		outcomeOf(b, f)
	})
	b.Run("os.Pipe", func(b *testing.B) {
		here, there := pipeOf[[]byte](b, ipc.PipeOptions{Duplex: true})
		f := benchFilePipe.Submit(b.Context(), p, there)
		there.Close()
		in1, out1, err1 := os.Pipe()
		in2, out2, err2 := os.Pipe()
		if err := errors.Join(err1, err2, here.SendFile(b.Context(), in1), here.SendFile(b.Context(), out2)); err != nil {
			b.Fatal(err)
		}
		in1.Close()
		out2.Close()
		message := make([]byte, 16)
		reportSamples(b, samples(b, max(b.N, 1000), func() error {
			if _, err := out1.Write(message); err != nil {
				return err
			}
			_, err := in2.Read(message)
			return err
		}))
		out1.Close()
		outcomeOf(b, f)
		in2.Close()
		here.Close()
	})
	b.Run("CPython", func(b *testing.B) {
		lines := benchPython(b, pythonPipeRoundTrip, max(b.N, 1000))
		var median, p99 float64
		if _, err := fmt.Sscan(lines, &median, &p99); err != nil {
			b.Fatal(lines, err)
		}
		b.ReportMetric(median, "ns-median")
		b.ReportMetric(p99, "ns-p99")
		b.ReportMetric(0, "ns/op")
	})
}

func BenchmarkPipe(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		for _, into := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d bytes %s", size, map[bool]string{false: "Recv", true: "RecvInto"}[into]), func(b *testing.B) {
				p := benchPool(b, 1)
				first, none := pipeOf[[]byte](b, ipc.PipeOptions{})
				none.Close()
				outcomeOf(b, benchPipeDrain.Submit(b.Context(), p, benchPipe{End: first})) // there is a worker
				in, out := pipeOf[[]byte](b, ipc.PipeOptions{})
				f := benchPipeDrain.Submit(b.Context(), p, benchPipe{in, into})
				in.Close()
				message := make([]byte, size)
				if err := out.Send(b.Context(), message); err != nil {
					b.Fatal(err)
				}
				b.ResetTimer()
				for range b.N {
					if err := out.Send(b.Context(), message); err != nil {
						b.Fatal(err)
					}
				}
				out.Close()
				outcomeOf(b, f)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
				b.ReportMetric(0, "ns/op")
			})
		}
		b.Run(fmt.Sprintf("%d bytes CPython", size), func(b *testing.B) {
			rate, err := strconv.ParseFloat(strings.TrimSpace(benchPython(b, pythonPipe, size)), 64)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(rate, "messages/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// benchPython runs a program with an argument and returns what it prints.
func benchPython(b *testing.B, program string, argument int) string {
	b.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		b.Skip("there is no python3")
	}
	cmd := exec.Command(python, "-c", program, strconv.Itoa(argument))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return line
}

const pythonPipeRoundTrip = `
import multiprocessing, sys, time
def echo(c):
    try:
        while True: c.send_bytes(c.recv_bytes())
    except EOFError: pass
a, b = multiprocessing.Pipe()
p = multiprocessing.get_context("fork").Process(target=lambda: (a.close(), echo(b)))
p.start(); b.close()
m, all = b"x" * 16, []
for i in range(int(sys.argv[1]) + 1000):
    t = time.perf_counter_ns(); a.send_bytes(m); a.recv_bytes(); all.append(time.perf_counter_ns() - t)
all = sorted(all[1000:])
a.close(); p.join()
print(all[len(all)//2], all[len(all)*99//100])
`

const pythonPipe = `
import multiprocessing, sys, time
size = int(sys.argv[1]); n = 200000 if size < 10000 else 20000
a, b = multiprocessing.Pipe(False)
def drain():
    b.close()
    for _ in range(n): a.recv_bytes()
p = multiprocessing.get_context("fork").Process(target=drain)
p.start(); a.close()
m, t = b"x" * size, time.perf_counter()
for _ in range(n): b.send_bytes(m)
b.close(); p.join()
print(n / (time.perf_counter() - t))
`
