package process

import (
	"strings"
	"sync"
)

const (
	tailSize = 4 << 10  // of stderr that is always kept
	dumpSize = 64 << 10 // of stderr that DumpAndKill keeps
	fatalMax = 1 << 10
)

// record keeps what stderr said that matters afterwards.
type record struct {
	mu      sync.Mutex
	tail    []byte // its last tailSize bytes are the tail; at most twice as long
	dumping bool   // dump grows
	dump    []byte // the first dumpSize bytes since startDump
	fatal   string // the line that began the last report of the Go runtime's; set by line only
}

// write takes a piece of the output, in order.
func (r *record) write(p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dumping {
		r.dump = append(r.dump, p[:min(len(p), dumpSize-len(r.dump))]...)
	}
	if len(p) > tailSize {
		p = p[len(p)-tailSize:]
	}
	if len(r.tail)+len(p) > 2*tailSize {
		r.tail = r.tail[:copy(r.tail, r.tail[len(r.tail)-tailSize:])]
	}
	r.tail = append(r.tail, p...)
}

// What begins the report of a runtime that ends the program.
const (
	fatalError = "fatal error: "
	raceError  = "ERROR: ThreadSanitizer" // behind the process's number
	panicked   = "panic: "
	signaled   = "SIG" // "SIGQUIT: quit"
)

// line takes a line that write has seen.
func (r *record) line(line []byte) {
	text := string(line[:min(len(line), fatalMax)])
	if i := max(strings.Index(text, fatalError), strings.Index(text, raceError)); i >= 0 {
		text = text[i:] // the program may have left an unfinished line before it
	} else if signal := strings.HasPrefix(text, signaled) && strings.Contains(text, ": "); signal && r.fatal != "" {
		return // GOTRACEBACK=crash adds signals to other reports
	} else if !signal && !strings.HasPrefix(text, panicked) {
		return
	}
	r.mu.Lock()
	r.fatal = text
	r.mu.Unlock()
}

func (r *record) startDump() {
	r.mu.Lock()
	r.dumping = true
	r.mu.Unlock()
}

// last returns copies of the tail and the dump, and the fatal line.
func (r *record) last() (tail, dump []byte, fatal string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	tail = append(tail, r.tail[max(0, len(r.tail)-tailSize):]...)
	return tail, append(dump, r.dump...), r.fatal
}
