package processes

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/futures-go/futures/bench/internal/harness"
)

func barePipe() harness.System {
	return adapter{open: func(n, _ int) (workers, error) { return newFleet(n, startPipe) }}.answers(harness.System{
		Name:  "pipe",
		About: "a floor: frames of bytes over a pipe to a process and back, which serves them in order",
		Find:  harness.Go,
	})
}

// A frame, in both directions, is a byte for the task, 32 bits of length and the
// bytes, a number being 8 of them.
const (
	frameHead = 5
	pipeRoom  = 64 << 10
)

// The task of a frame; a name is for numbers or for bytes.
var pipeTasks = []string{nameFollowing, nameTotal, nameNap, nameLength, nameStall, nameEcho}

func appendNumber(b []byte, n int64) []byte { return binary.LittleEndian.AppendUint64(b, uint64(n)) }
func numberOf(b []byte) int64               { return int64(binary.LittleEndian.Uint64(b)) }

// writeFrame writes a frame and leaves it in the buffer if it fits.
func writeFrame(w *bufio.Writer, task byte, b []byte) error {
	head := binary.LittleEndian.AppendUint32(append(w.AvailableBuffer(), task), uint32(len(b)))
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

// readFrame reads a frame, into b if there is room.
func readFrame(r *bufio.Reader, b []byte) (task byte, frame []byte, err error) {
	head, err := r.Peek(frameHead)
	if err != nil {
		return 0, nil, err
	}
	task = head[0]
	n := int(binary.LittleEndian.Uint32(head[1:]))
	if _, err := r.Discard(frameHead); err != nil {
		return 0, nil, err
	}
	if n > cap(b) {
		b = make([]byte, n)
	}
	_, err = io.ReadFull(r, b[:n])
	return task, b[:n], err
}

// servePipe is the far side: standard input and output are the pipes. Results are
// written when there is nothing left to read.
func servePipe() error {
	r, w := bufio.NewReaderSize(os.Stdin, pipeRoom), bufio.NewWriterSize(os.Stdout, pipeRoom)
	var frame []byte
	for {
		task, b, err := readFrame(r, frame)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		frame = b
		var n int64
		out := b
		switch name := pipeTasks[task]; name {
		case nameEcho:
		case nameLength, nameStall:
			n, err = onBytes(name, b)
			out = appendNumber(nil, n)
		default:
			n, err = onNumber(name, numberOf(b))
			out = appendNumber(b[:0], n)
		}
		if err == nil {
			err = writeFrame(w, task, out)
		}
		if err == nil && r.Buffered() == 0 {
			err = w.Flush()
		}
		if err != nil {
			return err
		}
	}
}

// pipeWorker is a process at the far end of two pipes. Of those who wait for results
// one reads for all before it, so that a caller who is alone needs no goroutine
// besides its own.
type pipeWorker struct {
	cmd     *exec.Cmd
	in      io.Closer
	writers atomic.Int32   // who has come to write; the last one flushes
	calls   chan *pipeCall // whose results have not been read, in their order

	writing sync.Mutex // guards w and sending to calls
	w       *bufio.Writer

	reading sync.Mutex // guards r, receiving from calls, and what is in a call
	r       *bufio.Reader
}

type pipeCall struct {
	worker *pipeWorker
	out    []byte
	err    error
	done   bool
}

func startPipe() (workers, error) {
	cmd, err := inRole("pipe")
	if err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &pipeWorker{
		cmd: cmd, in: in,
		calls: make(chan *pipeCall, 1<<16),
		w:     bufio.NewWriterSize(in, pipeRoom),
		r:     bufio.NewReaderSize(out, pipeRoom),
	}, nil
}

// send writes a frame.
func (p *pipeWorker) send(task int, b []byte) *pipeCall {
	c := &pipeCall{worker: p}
	p.writers.Add(1)
	p.writing.Lock()
	defer p.writing.Unlock()
	p.calls <- c
	err := writeFrame(p.w, byte(task), b)
	if p.writers.Add(-1) == 0 && err == nil {
		err = p.w.Flush()
	}
	if err != nil {
		_ = p.in.Close() // now the process ends, and all calls fail
	}
	return c
}

// wait reads results until that of the call is there.
func (c *pipeCall) wait() ([]byte, error) {
	p := c.worker
	p.reading.Lock()
	defer p.reading.Unlock()
	for !c.done {
		next := <-p.calls
		_, next.out, next.err = readFrame(p.r, nil)
		next.done = true
	}
	return c.out, c.err
}

// Result implements future.
func (c *pipeCall) Result(context.Context) (int64, error) {
	b, err := c.wait()
	if err == nil && len(b) != 8 {
		err = fmt.Errorf("a number of %d bytes", len(b))
	}
	if err != nil {
		return 0, err
	}
	return numberOf(b), nil
}

func (p *pipeWorker) start(n int64) future {
	var room [8]byte
	return p.send(slices.Index(pipeTasks, nameFollowing), appendNumber(room[:0], n))
}

func (p *pipeWorker) number(name string, n int64) (int64, error) {
	var room [8]byte
	return p.send(slices.Index(pipeTasks, name), appendNumber(room[:0], n)).Result(background)
}

func (p *pipeWorker) bytes(name string, b []byte) (int64, error) {
	return p.send(slices.Index(pipeTasks, name), b).Result(background)
}

func (p *pipeWorker) echo(b []byte) ([]byte, error) {
	return p.send(slices.Index(pipeTasks, nameEcho), b).wait()
}

func (p *pipeWorker) close() error {
	return errors.Join(p.in.Close(), p.cmd.Wait())
}
