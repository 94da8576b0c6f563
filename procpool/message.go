package procpool

import (
	"encoding/binary"
	"fmt"
)

// hello is the payload of HELLO, a CBOR map.
type hello struct {
	Protocol int `cbor:"1,keyasint"`
	PID      int `cbor:"2,keyasint"`
}

// welcome is the payload of WELCOME, a CBOR map. Readers ignore keys that they do not
// know.
type welcome struct {
	Protocol    int      `cbor:"1,keyasint"`
	Worker      int      `cbor:"2,keyasint"`
	Processors  int      `cbor:"3,keyasint,omitempty"` // GOMAXPROCS of the worker; 0 leaves it
	MemoryLimit int64    `cbor:"4,keyasint,omitempty"` // soft limit in bytes; 0 is none
	MaxTasks    int      `cbor:"5,keyasint,omitempty"` // go after so many; 0 is no limit
	Init        string   `cbor:"6,keyasint,omitempty"` // function to call first
	InitArg     []byte   `cbor:"7,keyasint,omitempty"`
	Shared      bool     `cbor:"8,keyasint,omitempty"`  // descriptors 5, 6 and 7 are ring, bell and arena
	Functions   []string `cbor:"9,keyasint,omitempty"`  // names by number, for the ring
	Families    int      `cbor:"10,keyasint,omitempty"` // descriptors from 8 on are for package ipc
}

// taskHead is the fixed part of a TASK frame; the function's name, the context record
// and the argument follow it.
type taskHead struct {
	timeout     int64 // nanoseconds, 0 for none
	deadline    int64 // nanoseconds since 1970, 0 for none
	attempt     uint32
	contextSize uint32
	nameSize    uint32
}

const taskHeadSize = 28

func (h *taskHead) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(h.timeout))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.deadline))
	b = binary.LittleEndian.AppendUint32(b, h.attempt)
	b = binary.LittleEndian.AppendUint32(b, h.contextSize)
	return binary.LittleEndian.AppendUint32(b, h.nameSize)
}

// parseTask takes the payload of a TASK frame apart.
func parseTask(payload []byte) (h taskHead, name string, context, argument []byte, err error) {
	if len(payload) < taskHeadSize {
		return h, "", nil, nil, fmt.Errorf("%w: a TASK of %d bytes, at least %d", errFrame, len(payload), taskHeadSize)
	}
	h.timeout = int64(binary.LittleEndian.Uint64(payload))
	h.deadline = int64(binary.LittleEndian.Uint64(payload[8:]))
	h.attempt = binary.LittleEndian.Uint32(payload[16:])
	h.contextSize = binary.LittleEndian.Uint32(payload[20:])
	h.nameSize = binary.LittleEndian.Uint32(payload[24:])
	rest := payload[taskHeadSize:]
	if uint64(h.nameSize)+uint64(h.contextSize) > uint64(len(rest)) {
		return h, "", nil, nil, fmt.Errorf("%w: name of %d and context of %d bytes in %d", errFrame, h.nameSize, h.contextSize, len(rest))
	}
	if h.timeout < 0 || h.deadline < 0 {
		return h, "", nil, nil, fmt.Errorf("%w: timeout %d, deadline %d", errFrame, h.timeout, h.deadline)
	}
	name, rest = string(rest[:h.nameSize]), rest[h.nameSize:]
	return h, name, rest[:h.contextSize], rest[h.contextSize:], nil
}

// appendBlock appends the payload of GRANT: where a block is; zeros say that there is none.
// The payload of NEED is one number, the size.
func appendBlock(b []byte, offset, size uint64) []byte {
	b = binary.LittleEndian.AppendUint64(b, offset)
	return binary.LittleEndian.AppendUint64(b, size)
}

func parseBlock(payload []byte) (offset, size uint64, err error) {
	if len(payload) != 16 {
		return 0, 0, fmt.Errorf("%w: a GRANT of %d bytes, must be 16", errFrame, len(payload))
	}
	return binary.LittleEndian.Uint64(payload), binary.LittleEndian.Uint64(payload[8:]), nil
}

func parseNeed(payload []byte) (size uint64, err error) {
	if len(payload) != 8 {
		return 0, fmt.Errorf("%w: a NEED of %d bytes, must be 8", errFrame, len(payload))
	}
	return binary.LittleEndian.Uint64(payload), nil
}
