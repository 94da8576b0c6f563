//go:build !linux

package fdpass

import (
	"errors"
	"net"
	"os"
)

func checkPeer(*net.UnixConn) error { return errors.ErrUnsupported }

func send(*net.UnixConn, []byte, *os.File) error { return errors.ErrUnsupported }

func recv(*net.UnixConn, []byte, string) (int, *os.File, error) {
	return 0, nil, errors.ErrUnsupported
}

func duplicate(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }
