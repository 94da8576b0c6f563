package shm

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

func protection(writable bool) int {
	if writable {
		return unix.PROT_READ | unix.PROT_WRITE
	}
	return unix.PROT_READ
}

// mapShared maps the first size bytes behind fd.
func mapShared(fd, size int, writable bool) ([]byte, error) {
	if size == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrRefused)
	}
	addr, err := unix.MmapPtr(fd, 0, nil, uintptr(size), protection(writable), unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	return unsafe.Slice((*byte)(addr), size), nil
}

// mapTwice maps n bytes at off of fd to two neighbouring ranges of addresses. They
// are reserved first, so that nothing else can come between.
func mapTwice(fd, off, n int, writable bool) ([]byte, error) {
	size := 2 * uintptr(n)
	if n > int(^uint(0)>>2) {
		return nil, unix.ENOMEM
	}
	const reserved = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_NORESERVE
	addr, err := unix.MmapPtr(-1, 0, nil, size, unix.PROT_NONE, reserved)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	for _, half := range [2]unsafe.Pointer{addr, unsafe.Add(addr, n)} {
		_, err := unix.MmapPtr(fd, int64(off), half, uintptr(n), protection(writable), unix.MAP_SHARED|unix.MAP_FIXED)
		if err != nil {
			_ = unix.MunmapPtr(addr, size)
			return nil, fmt.Errorf("mmap: %w", err)
		}
	}
	return unsafe.Slice((*byte)(addr), size), nil
}

// blank puts private zeros in the place of a mapping, in one step: at no moment are
// its addresses free for others or inaccessible to those who still use them (S2).
func blank(mem []byte, writable bool) error {
	const flags = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_NORESERVE | unix.MAP_FIXED
	_, err := unix.MmapPtr(-1, 0, unsafe.Pointer(&mem[0]), uintptr(len(mem)), protection(writable), flags)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	return nil
}

func unmap(mem []byte) error {
	return unix.MunmapPtr(unsafe.Pointer(&mem[0]), uintptr(len(mem)))
}
