package procpool

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/futures-go/futures/internal/codec"
)

// table returns the rows of the first table of PROTOCOL.md whose first heading is given.
func table(t *testing.T, heading string) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	in := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "| "+heading):
			in = true
		case in && !strings.HasPrefix(line, "|"):
			return rows
		case in && !strings.HasPrefix(line, "|---"):
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		}
	}
	t.Fatalf("PROTOCOL.md has no table of %s", heading)
	return nil
}

// TestTables: what PROTOCOL.md says is what the code does.
func TestTables(t *testing.T) {
	kinds := map[string]frameKind{
		"WELCOME": frameWelcome, "TASK": frameTask, "CANCEL": frameCancel, "RETIRE": frameRetire,
		"FUNCTION": frameFunction, "GRANT": frameGrant, "HELLO": frameHello, "READY": frameReady,
		"FAILED": frameFailed, "STARTED": frameStarted, "RESULT": frameResult, "NEED": frameNeed, "BYE": frameBye,
	}
	rows := table(t, "kind | name")
	for _, row := range rows {
		if kind, ok := kinds[row[1]]; !ok || row[0] != strconv.Itoa(int(kind)) {
			t.Errorf("%s is %d, PROTOCOL.md says %s", row[1], kind, row[0])
		}
		if toWorker := row[2] == "to the worker"; toWorker != (kinds[row[1]] < frameHello) {
			t.Errorf("%s goes %s", row[1], row[2])
		}
	}
	if len(rows) != len(kinds) {
		t.Errorf("%d kinds, PROTOCOL.md has %d", len(kinds), len(rows))
	}
	results := map[string]resultKind{
		"value": resultValue, "error": resultError, "timeout": resultTimeout, "panic": resultPanic,
		"panic error": resultPanicError, "goexit": resultGoexit, "refused": resultRefused,
	}
	rows = table(t, "result kind | name")
	for _, row := range rows {
		if kind, ok := results[row[1]]; !ok || row[0] != strconv.Itoa(int(kind)) {
			t.Errorf("%s is %d, PROTOCOL.md says %s", row[1], kind, row[0])
		}
	}
	if len(rows) != int(resultKinds) {
		t.Errorf("%d result kinds, PROTOCOL.md has %d", resultKinds, len(rows))
	}
	// The first table of offsets is the frame's, of which the last row ends the header.
	rows = table(t, "offset | size | content")
	if last := rows[len(rows)-1]; last[0] != "8" || last[1] != strconv.Itoa(frameHeader-8) {
		t.Errorf("the header ends with %v, and has %d bytes", last, frameHeader)
	}
	if !strings.Contains(rows[0][2], strconv.Itoa(maxFrame)) {
		t.Errorf("%q does not say %d", rows[0][2], maxFrame)
	}
	for heading, typ := range map[string]reflect.Type{"| 2 | number of the process": reflect.TypeFor[hello](), "| 10 | how many descriptors": reflect.TypeFor[welcome]()} {
		text, _ := os.ReadFile("PROTOCOL.md")
		if !strings.Contains(string(text), heading) {
			t.Errorf("PROTOCOL.md lacks %q", heading)
		}
		last := typ.Field(typ.NumField() - 1).Tag.Get("cbor")
		if want := strings.Fields(heading)[1]; !strings.HasPrefix(last, want+",") {
			t.Errorf("the last key of %v is %s, PROTOCOL.md says %s", typ, last, want)
		}
	}
	if b := (&taskHead{}).append(nil); len(b) != taskHeadSize {
		t.Errorf("a TASK's head has %d bytes, not %d", len(b), taskHeadSize)
	}
}

// vector is an example of a frame.
type vector struct {
	Name  string `json:"name"`
	Hex   string `json:"hex"`
	Error string `json:"error,omitempty"` // what a reader says of a bad one
}

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

func vectors(t *testing.T) (all []vector) {
	t.Helper()
	add := func(name string, kind frameKind, flags uint8, id uint64, parts ...[]byte) {
		var b bytes.Buffer
		if err := (&frameWriter{w: &b}).write(kind, flags, id, parts...); err != nil {
			t.Fatal(err)
		}
		all = append(all, vector{Name: name, Hex: hex.EncodeToString(b.Bytes())})
	}
	value := func(v any) []byte {
		b, err := codec.Append(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	arg := int64(42)
	text := "forty-two"
	add("HELLO of process 4711", frameHello, 0, 0, value(&hello{1, 4711}))
	add("WELCOME, worker 3", frameWelcome, 0, 0, value(&welcome{Protocol: 1, Worker: 3}))
	add("WELCOME with all keys", frameWelcome, 0, 0, value(&welcome{1, 1, 2, 1 << 30, 100, "load", value(&text), true, []string{"load", "double"}, 1}))
	add("READY", frameReady, 0, 0)
	add("FAILED with an error", frameFailed, uint8(resultError), 0, codec.AppendError(nil, os.ErrNotExist, ""))
	h := taskHead{timeout: 5e9, deadline: 1795478400e9, attempt: 2, nameSize: 6}
	add("TASK 7: double(42), second attempt, 5 s, a deadline", frameTask, 0, 7, append(h.append(nil), "double"...), value(&arg))
	h = taskHead{attempt: 1, nameSize: 6, contextSize: 8}
	add("TASK 8: double(42), with the context value id: a", frameTask, 0, 8, append(h.append(nil), "double"...), []byte("\xa1\x62id\x62ab\xf6")[:8], value(&arg))
	add("CANCEL 7", frameCancel, 0, 7)
	add("RETIRE", frameRetire, 0, 0)
	add("STARTED 7", frameStarted, 0, 7)
	add("RESULT 7: 84", frameResult, uint8(resultValue), 7, []byte{0x18, 84})
	add("RESULT 7: an error", frameResult, uint8(resultError), 7, codec.AppendError(nil, fmt.Errorf("double: %w", io.ErrUnexpectedEOF), ""))
	add("RESULT 7: a panic", frameResult, uint8(resultPanic), 7, codec.AppendError(nil, errors.New("boom"), "goroutine 1"))
	add("BYE", frameBye, 0, 0)
	add("FUNCTION 1", frameFunction, 0, 1, []byte("double"))
	add("NEED 4096 bytes for task 9", frameNeed, 0, 9, []byte{0, 16, 0, 0, 0, 0, 0, 0})
	add("GRANT for task 9", frameGrant, 0, 9, appendBlock(nil, 1<<20, 4096))
	return append(all,
		vector{"a frame that is too long", "0100004042000000" + strings.Repeat("00", 8), "at most 1073741824"},
		vector{"a header whose bytes 6 and 7 are not 0", "0000000042000100" + strings.Repeat("00", 8), "bytes 6 and 7"},
		vector{"a header that is cut off", "000000004200", "unexpected EOF"},
		vector{"a payload that is cut off", "0400000045000000" + strings.Repeat("00", 8) + "0102", "unexpected EOF"},
	)
}

// TestVectors: testdata/vectors.json has what this program writes, and is read as it says.
func TestVectors(t *testing.T) {
	const file = "testdata/vectors.json"
	if *update {
		b, err := json.MarshalIndent(vectors(t), "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var have []vector
	if err := json.Unmarshal(b, &have); err != nil {
		t.Fatal(err)
	}
	if want := vectors(t); !reflect.DeepEqual(have, want) {
		t.Errorf("%s is not what is written now: go test -run TestVectors -update ./procpool", file)
	}
	for _, v := range have {
		raw, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(err)
		}
		f, err := newFrameReader(bytes.NewReader(raw)).read()
		if v.Error != "" {
			if err == nil || !strings.Contains(err.Error(), v.Error) {
				t.Errorf("%s: %v", v.Name, err)
			}
			continue
		}
		if err != nil || !strings.HasPrefix(v.Name, names[f.kind]) {
			t.Errorf("%s: kind %d, %v", v.Name, f.kind, err)
		}
	}
}

var names = map[frameKind]string{
	frameWelcome: "WELCOME", frameTask: "TASK", frameCancel: "CANCEL", frameRetire: "RETIRE", frameFunction: "FUNCTION",
	frameGrant: "GRANT", frameHello: "HELLO", frameReady: "READY", frameFailed: "FAILED", frameStarted: "STARTED",
	frameResult: "RESULT", frameNeed: "NEED", frameBye: "BYE",
}

// FuzzFrames: PP7: whatever comes over a pipe is a frame or an error, on both sides, and
// what is read can be written again.
func FuzzFrames(f *testing.F) {
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		f.Fatal(err)
	}
	var seeds []vector
	if err := json.Unmarshal(b, &seeds); err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: ", err)
	}
	for _, v := range seeds {
		raw, _ := hex.DecodeString(v.Hex)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newFrameReader(bytes.NewReader(data))
		for {
			fr, err := r.read()
			if err != nil {
				return
			}
			var out bytes.Buffer
			if err := (&frameWriter{w: &out}).write(fr.kind, fr.flags, fr.id, fr.payload); err != nil || !bytes.Contains(data, out.Bytes()) {
				t.Fatalf("%+v is written as %x, %v", fr, out.Bytes(), err)
			}
			parsePayload(fr)
		}
	})
}

// parsePayload reads a payload with whoever reads it.
func parsePayload(f frame) {
	switch f.kind {
	case frameTask:
		_, _, _, _, _ = parseTask(f.payload)
	case frameGrant:
		_, _, _ = parseBlock(f.payload)
	case frameNeed:
		_, _ = parseNeed(f.payload)
	case frameHello:
		_ = codec.Decode(f.payload, new(hello))
	case frameWelcome:
		_ = codec.Decode(f.payload, new(welcome))
	case frameResult, frameFailed:
		_ = codec.DecodeError(f.payload)
	}
}

// FuzzTask: a TASK's parts are where its head says, and nowhere else.
func FuzzTask(f *testing.F) {
	h := taskHead{timeout: 1, deadline: 2, attempt: 3, nameSize: 4, contextSize: 2}
	f.Add(append(h.append(nil), "namectargument"...))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, name, ctx, argument, err := parseTask(data)
		if err != nil {
			return
		}
		again := append(append(append(h.append(nil), name...), ctx...), argument...)
		if !bytes.Equal(again, data) {
			t.Fatalf("%x became %x", data, again)
		}
	})
}

// FuzzBatch: PP7: no value of a batch makes the parent panic.
func FuzzBatch(f *testing.F) {
	b := &batchValue{took: 5, values: &[]int{1, 2, 3}}
	b.fail(1, resultError, codec.AppendError(nil, io.EOF, ""))
	seed, err := appendValue(nil, b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var out []int
		failed := 0
		_, _ = decodeBatchValue(data, 3, &out, func(i int, _ resultKind, _ []byte) {
			if i < 0 || i >= 3 {
				t.Fatalf("call %d of 3 failed", i)
			}
			failed++
		})
	})
}
