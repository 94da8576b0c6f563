package procpool

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/remote"
)

// The protocol of PROTOCOL.md. Every number is little-endian.

const (
	protocolVersion = 1

	frameHeader = 16
	maxFrame    = 1 << 30 // bytes of a payload
)

type frameKind uint8

const (
	// To a worker.
	frameWelcome  frameKind = 1 // what it needs to know; the answer to HELLO
	frameTask     frameKind = 2
	frameCancel   frameKind = 3 // end the context of a task
	frameRetire   frameKind = 4 // finish what runs, then go
	frameFunction frameKind = 5 // the name of a function's number
	frameGrant    frameKind = 6 // a block for a result

	// From a worker.
	frameHello   frameKind = 65
	frameReady   frameKind = 66 // the initializer has run
	frameFailed  frameKind = 67 // the initializer has failed
	frameStarted frameKind = 68 // user code of a task runs now
	frameResult  frameKind = 69
	frameNeed    frameKind = 70 // a block for a result of this size
	frameBye     frameKind = 71 // a planned exit follows
)

// resultKind says how a task ended.
type resultKind = remote.Kind

const (
	resultValue      = remote.Value
	resultError      = remote.Failure
	resultTimeout    = remote.Timeout
	resultPanic      = remote.Panic
	resultPanicError = remote.PanicError
	resultGoexit     = remote.Goexit
	resultRefused    = remote.Refused

	resultKinds resultKind = 7 // how many there are
)

// taskIsBatch is the flag of a TASK that is several calls.
const taskIsBatch = 1

// frame is one message.
type frame struct {
	kind    frameKind
	flags   uint8 // a resultKind in RESULT and FAILED, taskIsBatch in TASK, else 0
	id      uint64
	payload []byte
}

var errFrame = errors.New("procpool: protocol violated")

// frameReader reads frames from a peer.
type frameReader struct {
	r   *bufio.Reader
	buf []byte // reused for small payloads
}

const smallFrame = 64 << 10

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, smallFrame)}
}

// read returns the next frame. Its payload is valid until the next call, unless it is
// larger than smallFrame; then it is the caller's. The error is io.EOF only between
// two frames.
func (r *frameReader) read() (frame, error) {
	header, err := r.r.Peek(frameHeader)
	if err != nil {
		if err == io.EOF && len(header) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	length := binary.LittleEndian.Uint32(header)
	f := frame{kind: frameKind(header[4]), flags: header[5], id: binary.LittleEndian.Uint64(header[8:])}
	if header[6] != 0 || header[7] != 0 {
		return frame{}, fmt.Errorf("%w: bytes 6 and 7 of a header are %#x and %#x, must be 0", errFrame, header[6], header[7])
	}
	if length > maxFrame {
		return frame{}, fmt.Errorf("%w: a frame of %d bytes, at most %d", errFrame, length, maxFrame)
	}
	_, _ = r.r.Discard(frameHeader)
	if length == 0 {
		return f, nil
	}
	if length <= smallFrame {
		if cap(r.buf) < int(length) {
			r.buf = make([]byte, length, smallFrame)
		}
		f.payload = r.buf[:length]
		_, err = io.ReadFull(r.r, f.payload)
	} else {
		f.payload, err = readGrowing(r.r, int(length))
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return f, err
}

// readGrowing reads n bytes, and takes memory only as they come: the length is a peer's
// word.
func readGrowing(r io.Reader, n int) ([]byte, error) {
	buf := make([]byte, 0, min(n, 16*smallFrame))
	for len(buf) < n {
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), min(n, 4*cap(buf)))
			copy(grown, buf)
			buf = grown
		}
		m, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+m]
		assert.Reach("in the middle of a frame")
		if err != nil {
			return buf, err
		}
	}
	return buf, nil
}

// frameWriter writes frames to a peer, each whole. Its methods may be called from any
// goroutine.
type frameWriter struct {
	mu  sync.Mutex
	w   io.Writer
	buf []byte
}

// write writes a frame whose payload is the parts in their order. After an error the
// peer cannot be talked to any more.
func (w *frameWriter) write(kind frameKind, flags uint8, id uint64, parts ...[]byte) error {
	length := 0
	for _, p := range parts {
		length += len(p)
	}
	if length > maxFrame {
		return fmt.Errorf("procpool: a frame of %d bytes, at most %d", length, maxFrame)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	b := binary.LittleEndian.AppendUint32(w.buf[:0], uint32(length))
	b = append(b, byte(kind), flags, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, id)
	if length <= smallFrame {
		for _, p := range parts {
			b = append(b, p...)
		}
		parts = nil
	}
	w.buf = b
	if _, err := w.w.Write(b); err != nil {
		return err
	}
	for _, p := range parts {
		if len(p) == 0 {
			continue
		}
		if assert.Enabled && len(p) > smallFrame {
			if _, err := w.w.Write(p[:len(p)/2]); err != nil {
				return err
			}
			p = p[len(p)/2:]
			assert.Reach("half of a frame written")
		}
		if _, err := w.w.Write(p); err != nil {
			return err
		}
	}
	return nil
}
