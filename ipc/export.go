package ipc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"sync"

	"github.com/futures-go/futures/internal/family"
	"github.com/futures-go/futures/internal/fdpass"
)

// Handle is what all handles of this package are, as pointers: *Queue[T], *PipeEnd[T] and so
// on.
type Handle interface {
	MarshalCBOR() ([]byte, error)
	UnmarshalCBOR(data []byte) error
}

// Exporter gives a handle to processes that ask for it; see Export.
type Exporter struct {
	h      Handle // kept, so that the object is held
	file   *os.File
	cancel context.CancelFunc
	ended  chan struct{} // closed when nothing is served any more
	close  sync.Once
}

// What an exporter says is one message: a magic number, the length of the encoded handle and
// the handle, with the descriptor of the memory. The importer answers with a byte when it has
// opened the handle.
const (
	exportMagic = "futipc1\n"
	exportHead  = len(exportMagic) + 4
	mostExport  = 4096 // bytes of a handle
)

// Export gives a handle to unrelated processes of the same user, which connect to the listener
// with Import, any number of them, until Close. The exporter owns the listener from then
// on. If its address is a path, its mode is made 0600; the name of a socket that begins with
// "@" is in no file system. Other users are refused whatever the mode, by the kernel's word
// for who they are.
//
// Whoever imports one handle gets the memory with all objects of this program, and can open
// those that it is given handles of; see the package documentation for who trusts whom. It
// goes on with the object, and with other importers, when this process has ended.
//
// There is nothing like it in Python but managers, where one process serves all others.
// Linux only.
func Export(ln *net.UnixListener, h Handle) (*Exporter, error) {
	x, err := export(ln, h)
	if err != nil {
		_ = ln.Close()
		return nil, fail("Export", err)
	}
	return x, nil
}

func export(ln *net.UnixListener, h Handle) (*Exporter, error) {
	data, err := h.MarshalCBOR()
	if err != nil {
		return nil, err
	}
	defer voidEnd(data) // each importer gets an encoding of its own
	ref, err := refOf(data)
	if err != nil {
		return nil, err
	}
	f, err := family.Find(ref.Family, kinds[:])
	if err != nil {
		return nil, err
	}
	if addr, ok := ln.Addr().(*net.UnixAddr); ok && addr.Name != "" && addr.Name[0] != '@' {
		if err := os.Chmod(addr.Name, 0o600); err != nil {
			return nil, err
		}
	}
	file, err := f.Region().File()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	x := &Exporter{h: h, file: file, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(x.ended)
		fdpass.Serve(ctx, ln, x.serve)
	}()
	return x, nil
}

// refOf returns what an encoded handle leads to: the first bytes are those of all handles.
func refOf(data []byte) (family.Ref, error) {
	if len(data) < handleHead+handleSize || len(data) > mostExport || data[0] != 0x58 {
		return family.Ref{}, fmt.Errorf("%w: no handle: %d bytes", ErrCorrupt, len(data))
	}
	ref, _, err := parseHandle(append([]byte{0x58, handleSize}, data[handleHead:][:handleSize]...))
	return ref, err
}

func (x *Exporter) serve(conn *net.UnixConn) error {
	data, err := x.h.MarshalCBOR()
	if err != nil {
		return err
	}
	message := binary.LittleEndian.AppendUint32([]byte(exportMagic), uint32(len(data)))
	if err = fdpass.Send(conn, append(message, data...), x.file); err == nil {
		_, err = io.ReadFull(conn, message[:1])
	}
	if err != nil {
		voidEnd(data) // it has not arrived
	}
	return err
}

// Close stops giving the handle away and closes the listener. Who has imported it keeps it,
// and so does this process. A second Close does nothing.
func (x *Exporter) Close() error {
	x.close.Do(func() {
		x.cancel()
		<-x.ended
		_ = x.file.Close()
	})
	return nil
}

// Import returns the handle that a process of the same user exports at an address: a path, or a
// name that begins with "@". H is the type of the handle, such as *Queue[string]. This process
// shares memory with the exporting program from then on, and if it has made no objects before,
// it makes them there.
//
// The error wraps the cause of ctx's end, ErrForeign if nobody answers who may (another user
// is refused without a word), ErrMismatch if the handle is of another type, or ErrGone.
func Import[H Handle](ctx context.Context, address string) (h H, err error) {
	t := reflect.TypeFor[H]()
	if t.Kind() != reflect.Pointer {
		return h, fail("Import", fmt.Errorf("%v is no pointer to a handle", t))
	}
	h = reflect.New(t.Elem()).Interface().(H)
	if err := importHandle(ctx, address, h); err != nil {
		var none H
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return none, fail("Import", err)
	}
	return h, nil
}

func importHandle(ctx context.Context, address string, h Handle) error {
	conn, done, err := fdpass.Dial(ctx, address)
	if errors.Is(err, fdpass.ErrOtherUser) {
		err = fmt.Errorf("%w: %w", ErrForeign, err)
	}
	if err != nil {
		return err
	}
	defer done()
	message := make([]byte, exportHead+mostExport)
	n, file, err := fdpass.Recv(conn, message, "imported memory")
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: refused", ErrForeign)
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if n < exportHead {
		more, err := io.ReadFull(conn, message[n:exportHead])
		if n += more; err != nil {
			return err
		}
	}
	length := int(binary.LittleEndian.Uint32(message[len(exportMagic):]))
	if string(message[:len(exportMagic)]) != exportMagic || length > mostExport {
		return fmt.Errorf("%w: this is no exported handle", ErrCorrupt)
	}
	if end := exportHead + length; n < end {
		if _, err := io.ReadFull(conn, message[n:end]); err != nil {
			return err
		}
	}
	if _, err := family.Import(file, kinds[:]); err != nil {
		return err
	}
	if err := h.UnmarshalCBOR(message[exportHead:][:length]); err != nil {
		return err
	}
	_, _ = conn.Write([]byte{1}) // if the exporter has ended meanwhile, it does not matter
	return nil
}
