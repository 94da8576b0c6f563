package fdpass

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// checkPeer asks the kernel whose process is at the other end (unix(7), SO_PEERCRED).
func checkPeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	if e := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); e != nil {
		return e
	}
	if err != nil {
		return err
	}
	if int(cred.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: process %d of user %d", ErrOtherUser, cred.Pid, cred.Uid)
	}
	return nil
}

// send writes bytes and, with the first of them, a descriptor.
func send(conn *net.UnixConn, data []byte, f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	e := raw.Control(func(fd uintptr) {
		_, _, err = conn.WriteMsgUnix(data, unix.UnixRights(int(fd)), nil)
	})
	return errors.Join(e, err)
}

// recv reads as many bytes as fit, at least one, and the descriptor that came with
// them.
func recv(conn *net.UnixConn, data []byte, name string) (n int, f *os.File, err error) {
	control := make([]byte, unix.CmsgSpace(4*4)) // room for more than one, to refuse them
	n, got, flags, _, err := conn.ReadMsgUnix(data, control)
	if err == io.EOF || err == nil && n == 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:got])
	if err != nil {
		return 0, nil, err
	}
	var all []int
	for i := range messages {
		if fds, err := unix.ParseUnixRights(&messages[i]); err == nil {
			all = append(all, fds...)
		}
	}
	if len(all) != 1 || flags&unix.MSG_CTRUNC != 0 {
		for _, fd := range all {
			_ = unix.Close(fd)
		}
		return n, nil, fmt.Errorf("%d descriptors came instead of one", len(all))
	}
	return n, os.NewFile(uintptr(all[0]), name), nil
}

func duplicate(f *os.File) (*os.File, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	if e := conn.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
