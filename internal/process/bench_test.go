package process

import (
	"bufio"
	"os/exec"
	"testing"
	"time"
)

// launchExec is launchReady with package os/exec, for comparison.
func launchExec(b *testing.B) *exec.Cmd {
	spec := as("block")
	path, err := spec.path()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env = spec.Env
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		b.Error(err)
	}
	return cmd
}

func endExec(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// How long until a child that is this program has said something?
func BenchmarkStartToFirstByte(b *testing.B) {
	b.Run("process", func(b *testing.B) {
		for b.Loop() {
			p, _ := launchReady(b, as("block"))
			b.StopTimer()
			p.Kill()
			<-p.Done()
			b.StartTimer()
		}
	})
	b.Run("os_exec", func(b *testing.B) {
		for b.Loop() {
			cmd := launchExec(b)
			b.StopTimer()
			endExec(cmd)
			b.StartTimer()
		}
	})
}

// How long is the caller of Start held?
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		p := launch(b, as("block"))
		b.StopTimer()
		p.Kill()
		<-p.Done()
		b.StartTimer()
	}
}

// How long after a kill is the death known, and how long is it until all is read?
func BenchmarkKillToDone(b *testing.B) {
	b.Run("process", func(b *testing.B) {
		var dead time.Duration
		for b.Loop() {
			b.StopTimer()
			p, _ := launchReady(b, as("block"))
			b.StartTimer()
			began := time.Now()
			p.Kill()
			<-p.Dead()
			dead += time.Since(began)
			<-p.Done()
		}
		b.ReportMetric(float64(dead.Nanoseconds())/float64(b.N), "ns-to-dead/op")
	})
	b.Run("os_exec", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			cmd := launchExec(b)
			b.StartTimer()
			endExec(cmd)
		}
	})
}

// What does a sample of the watchdog cost?
func BenchmarkRSS(b *testing.B) {
	if !canMeter {
		b.Skip("SKIP: memory is not measured on this system")
	}
	p, _ := launchReady(b, as("block"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.RSS(); err != nil {
			b.Fatal(err)
		}
	}
}
