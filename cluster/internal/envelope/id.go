package envelope

import (
	"fmt"
	"strconv"
	"strings"
)

// ID names a task for as long as anything is known of it.
type ID struct {
	Client, Epoch string
	Chunk         uint64
	Index         int
}

// String returns the id as Pool.ID gives it: client.epoch.chunk.index, the chunk in base 36.
func (id ID) String() string {
	return id.Client + "." + id.Epoch + "." + FormatChunk(id.Chunk) + "." + strconv.Itoa(id.Index)
}

// FormatChunk returns the number of a chunk as it stands in subjects and ids.
func FormatChunk(chunk uint64) string { return strconv.FormatUint(chunk, 36) }

// ParseChunk parses what FormatChunk returns, and nothing else.
func ParseChunk(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 36, 64)
	if err != nil || FormatChunk(n) != s {
		return 0, fmt.Errorf("cluster: %q is no number of a chunk", s)
	}
	return n, nil
}

// ParseID parses what ID.String returns, and nothing else: its parts can stand in a subject.
func ParseID(s string) (ID, error) {
	parts := strings.Split(s, ".")
	if len(parts) != 4 || !isToken(parts[0]) || !isToken(parts[1]) {
		return ID{}, fmt.Errorf("cluster: %q is no id of a task", s)
	}
	chunk, err := ParseChunk(parts[2])
	index, err2 := strconv.Atoi(parts[3])
	if err != nil || err2 != nil || index < 0 || index >= MaxItems || strconv.Itoa(index) != parts[3] {
		return ID{}, fmt.Errorf("cluster: %q is no id of a task", s)
	}
	return ID{parts[0], parts[1], chunk, index}, nil
}

// isToken reports whether s is made of letters, digits, - and _.
func isToken(s string) bool {
	if s == "" || len(s) > MaxShort {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
