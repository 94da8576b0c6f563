package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	maxLine    = 64 << 10               // a longer line is cut
	firstRead  = 4 << 10                // the buffer that most children need
	afterDeath = 100 * time.Millisecond // how long an output is read when its writer is dead (P2)
	pipeMax    = 1 << 20                // what a pipe may hold: /proc/sys/fs/pipe-max-size by default
)

// output reads what a child writes to one of its outputs.
type output struct {
	pid    int
	r      *os.File // closed by run
	sink   Sink     // or nil
	record *record  // of stderr, or nil

	buf []byte // the unfinished line; what is read goes behind it
}

// run reads until the end of file, or until the deadline that watch sets after the
// child's death.
func (o *output) run() {
	defer func() { _ = o.r.Close() }()
	o.buf = make([]byte, 0, firstRead)
	for {
		n, err := o.r.Read(o.room())
		o.take(n)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			o.drain()
		}
		if err != nil {
			break
		}
	}
	if len(o.buf) > 0 {
		o.line(o.buf)
	}
}

// drain takes what is in the pipe when time is up, because a slow sink may be why it
// has not been read (P2). A grandchild that writes on and on is not heard out.
func (o *output) drain() {
	for left := pipeMax; left > 0; {
		n := readNow(o.r, o.room())
		if n <= 0 {
			return
		}
		o.take(n)
		left -= n
	}
}

// room returns where to read to, never empty.
func (o *output) room() []byte {
	if len(o.buf) == cap(o.buf) {
		if len(o.buf) < maxLine {
			o.buf = append(make([]byte, 0, min(2*cap(o.buf), maxLine)), o.buf...)
		} else {
			o.line(o.buf)
			o.buf = o.buf[:0]
		}
	}
	return o.buf[len(o.buf):cap(o.buf)]
}

// take hands on the lines that the n bytes read have completed.
func (o *output) take(n int) {
	from := len(o.buf)
	o.buf = o.buf[:from+n]
	if o.record != nil {
		o.record.write(o.buf[from:])
	}
	start := 0
	for {
		i := bytes.IndexByte(o.buf[from:], '\n')
		if i < 0 {
			break
		}
		o.line(o.buf[start : from+i])
		start = from + i + 1
		from = start
	}
	o.buf = o.buf[:copy(o.buf, o.buf[start:])]
}

func (o *output) line(line []byte) {
	if o.record != nil {
		o.record.line(line)
	}
	if o.sink != nil {
		o.sink(o.pid, line)
	}
}

// PrefixWriter returns a sink that writes every line to w as "[PID] line", with one
// Write for each, so that the lines of several children do not mix. Errors of w are
// ignored.
func PrefixWriter(w io.Writer) Sink {
	var mu sync.Mutex
	var buf []byte
	return func(pid int, line []byte) {
		mu.Lock()
		defer mu.Unlock()
		buf = fmt.Appendf(buf[:0], "[%d] ", pid)
		buf = append(append(buf, line...), '\n')
		_, _ = w.Write(buf)
	}
}
