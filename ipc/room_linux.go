package ipc

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// memoryLeft returns how many bytes the machine can give without taking them from a program.
func memoryLeft() (bytes uint64, known bool) {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	defer func() { _ = file.Close() }() // it was only read
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "MemAvailable:" && fields[0] != "SwapFree:" {
			continue
		}
		kib, err := strconv.ParseUint(fields[1], 10, 54)
		if err != nil {
			return 0, false
		}
		bytes, known = bytes+kib<<10, true
	}
	return bytes, known
}
