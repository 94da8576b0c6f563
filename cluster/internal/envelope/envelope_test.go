package envelope

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/futures-go/futures"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

// parsers are the functions that parse a kind and append what they have parsed.
var parsers = map[byte]func(data []byte) ([]byte, error){
	kindTask:   func(data []byte) ([]byte, error) { var t Task; return t.again(data) },
	kindResult: func(data []byte) ([]byte, error) { var r Result; return r.again(data) },
	kindNotice: func(data []byte) ([]byte, error) {
		var n Notice
		if err := ParseNotice(data, &n); err != nil {
			return nil, err
		}
		return AppendNotice(nil, &n), nil
	},
	kindCancel: func(data []byte) ([]byte, error) {
		var r Refs
		if err := ParseCancel(data, &r); err != nil {
			return nil, err
		}
		return AppendCancel(nil, &r), nil
	},
	kindHave: func(data []byte) ([]byte, error) {
		var r Refs
		if err := ParseHave(data, &r); err != nil {
			return nil, err
		}
		return AppendHave(nil, &r), nil
	},
	kindDead: func(data []byte) ([]byte, error) {
		var d DeadLetter
		if err := ParseDeadLetter(data, &d); err != nil {
			return nil, err
		}
		return AppendDeadLetter(nil, &d), nil
	},
}

func (t *Task) again(data []byte) ([]byte, error) {
	if err := ParseTask(data, t); err != nil {
		return nil, err
	}
	return AppendTask(nil, t), nil
}

func (r *Result) again(data []byte) ([]byte, error) {
	if err := ParseResult(data, r); err != nil {
		return nil, err
	}
	return AppendResult(nil, r), nil
}

const client = "Zq8vXk1GfQbW7dYpTtR0aM"

// samples are messages of all kinds with everything that they can have.
var samples = []struct {
	name string
	data []byte
}{
	{"a task", AppendTask(nil, &Task{Client: client, Epoch: "o", Chunk: 1, Index: Whole, Items: []Item{
		{Function: "sum", Argument: []byte{0x18, 0x2a}, Submitted: 1_795_000_000_000_000_000, AtMost: 1},
	}})},
	{"a chunk of two", AppendTask(nil, &Task{Client: client, Epoch: "e7", Chunk: 1<<64 - 1, Index: Whole, Items: []Item{
		{Function: "sum", Argument: []byte{1}, AtMost: 1},
		{Index: 1, Function: "größe", Context: []byte{0xa0}, AtMost: 65535},
	}})},
	{"an item with everything, after two losses", AppendTask(nil, &Task{
		Client: "c", Epoch: "e1", Chunk: 36, Index: 255, Lost: 2,
		History: []Loss{{1, "worker-1", "its lease has ended"}, {2, "", ""}},
		Items: []Item{{
			Index: 255, Function: "f", Context: []byte{0xa0}, Blob: Blob{"blob-1", 1 << 40},
			Submitted: -1, Deadline: 1 << 62, Timeout: 1, AtMost: 3, Made: 2,
			Retry:  Retry{Set: true, Max: 3, Backoff: 1000, MaxBackoff: 2000, Multiplier: 1.5, Jitter: 0.25},
			Labels: []Tag{{"tenant", "a"}, {"", ""}},
		}},
	})},
	{"a value", AppendResult(nil, &Result{Chunk: 5, Worker: "w", Items: []Outcome{{Kind: Value, Attempts: 1, RunNanos: 777, Payload: []byte{0x01}}}})},
	{"outcomes of some items", AppendResult(nil, &Result{Chunk: 5, Partial: true, Items: []Outcome{
		{Index: 3, Kind: Lost, Payload: []byte("x")}, {Index: 1023, Kind: Value, Blob: Blob{"b", 0}},
	}})},
	{"a split", AppendResult(nil, &Result{Chunk: 6, Split: true, Worker: "w-2"})},
	{"a claim", AppendResult(nil, &Result{Chunk: 7, Claim: true, Worker: "w-2"})},
	{"a notice", AppendNotice(nil, &Notice{Worker: "w", Begun: []Ref{{1, Whole}, {2, 7}}, Dropped: []Ref{{3, 0}}, Returned: []Ref{{4, 1}}})},
	{"a fence", AppendNotice(nil, &Notice{Fence: 9})},
	{"a cancel", AppendCancel(nil, &Refs{Client: client, Refs: []Ref{{1, Whole}, {1 << 40, 9}}})},
	{"a cancel of all", AppendCancel(nil, &Refs{Client: client, All: true})},
	{"a question", AppendHave(nil, &Refs{Client: client, Refs: []Ref{{77, Whole}}})},
	{"a dead letter", AppendDeadLetter(nil, &DeadLetter{Time: 3, Worker: "w", Reason: "not a message", Subject: "fx.default.q.default.1.c.1", Message: []byte("junk")})},
}

// TestRoundTrip: EN1, and a message is read in one way only.
func TestRoundTrip(t *testing.T) {
	for _, s := range samples {
		got, err := parsers[s.data[2]](s.data)
		if err != nil || !bytes.Equal(got, s.data) {
			t.Errorf("%s: %v\n got %x\nwant %x", s.name, err, got, s.data)
		}
	}
}

// TestVectors: testdata/vectors.json has these messages, byte for byte.
func TestVectors(t *testing.T) {
	const file = "testdata/vectors.json"
	var now bytes.Buffer
	now.WriteString("[\n")
	for i, s := range samples {
		name, _ := json.Marshal(s.name)
		fmt.Fprintf(&now, "  {\"name\": %s, \"hex\": \"%x\"}%s\n", name, s.data, map[bool]string{true: ","}[i < len(samples)-1])
	}
	now.WriteString("]\n")
	if *update {
		if err := os.WriteFile(file, now.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	was, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(was, now.Bytes()) {
		t.Errorf("%s is not what this program writes; -update writes it anew", file)
	}
	var vectors []struct{ Name, Hex string }
	if err := json.Unmarshal(was, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		data, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parsers[data[2]](data); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}

// TestDamaged: EN2 for every message that is cut or has a byte too many, and for
// those in which one byte is another one.
func TestDamaged(t *testing.T) {
	for _, s := range samples {
		parse := parsers[s.data[2]]
		for n := range len(s.data) {
			if _, err := parse(s.data[:n:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s cut to %d bytes: %v", s.name, n, err)
			}
		}
		if _, err := parse(append(bytes.Clone(s.data), 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s with a byte more: %v", s.name, err)
		}
		for i := range s.data {
			for _, flip := range []byte{0x01, 0x80, 0xff} {
				data := bytes.Clone(s.data)
				data[i] ^= flip
				if again, err := parse(data); err == nil && !bytes.Equal(again, data) {
					t.Errorf("%s with byte %d as %#x is taken, and written as something else", s.name, i, data[i])
				} else if err == nil && i < headSize {
					t.Errorf("%s is taken with byte %d of its head as %#x", s.name, i, data[i])
				}
			}
		}
	}
}

// TestSteady: EN3, no allocation for messages like those before.
func TestSteady(t *testing.T) {
	var task Task
	var result Result
	var notice Notice
	for _, s := range samples {
		parse := map[byte]func() error{
			kindTask:   func() error { return ParseTask(s.data, &task) },
			kindResult: func() error { return ParseResult(s.data, &result) },
			kindNotice: func() error { return ParseNotice(s.data, &notice) },
		}[s.data[2]]
		if parse == nil {
			continue
		}
		if n := testing.AllocsPerRun(20, func() {
			if err := parse(); err != nil {
				t.Error(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", s.name, n)
		}
	}
}

func TestSetItem(t *testing.T) {
	it := Item{Function: "f", Argument: []byte{7}, AtMost: 1}
	item := AppendItem(nil, &it)
	SetItem(item, 9, 3)
	it.Index, it.Made = 9, 3
	if want := AppendItem(nil, &it); !bytes.Equal(item, want) {
		t.Errorf("got %x, want %x", item, want)
	}
}

func TestCheck(t *testing.T) {
	long := strings.Repeat("x", MaxText+1)
	for what, it := range map[string]Item{
		"no name":         {},
		"a long name":     {Function: long},
		"a broken name":   {Function: "\xff"},
		"many labels":     {Function: "f", Labels: make([]Tag, MaxLabels+1)},
		"a long label":    {Function: "f", Labels: []Tag{{"k", long}}},
		"a broken label":  {Function: "f", Labels: []Tag{{"k", "\xff"}}},
		"what is allowed": {Function: "f", Labels: []Tag{{"k", long[1:]}}},
	} {
		if err := it.Check(); (err == nil) != (what == "what is allowed") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestMisusePanics(t *testing.T) {
	for what, fn := range map[string]func(){
		"a task without items":  func() { AppendTask(nil, &Task{Client: client}) },
		"too many items":        func() { AppendTask(nil, &Task{Items: make([]Item, MaxItems+1)}) },
		"a client that is long": func() { AppendNotice(nil, &Notice{Worker: strings.Repeat("x", 256)}) },
		"an index beyond all":   func() { AppendCancel(nil, &Refs{Refs: []Ref{{1, MaxItems}}}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			fn()
		}()
	}
}

func TestID(t *testing.T) {
	id := ID{client, "e12", 1295, 7}
	if s := id.String(); s != client+".e12.zz.7" {
		t.Errorf("got %s", s)
	}
	if got, err := ParseID(id.String()); got != id || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "a.b.c", "a.b.c.d", "a.b.zz.-1", "a.b.zz.01", "a.b.zz.1024", "a.b.0z.1", "a.b.ZZ.1", "a.*.zz.1", ".b.zz.1", "a.b.zz.1.2", "a.b.zzzzzzzzzzzzzz.1"} {
		if id, err := ParseID(bad); err == nil {
			t.Errorf("%q: %+v", bad, id)
		}
	}
}

func TestCrash(t *testing.T) {
	e := &futures.CrashError{PID: 7, ExitCode: -1, Signal: "SIGSEGV", OOM: true, Stderr: "a \xff", Task: "f", Attempt: 2, Cause: fmt.Errorf("why: %w", futures.ErrClosed)}
	got := ParseCrash(AppendCrash(nil, e))
	if !errors.Is(got, futures.ErrClosed) || got.Stderr != "a \uFFFD" {
		t.Errorf("got %#v", got)
	}
	if got.Stderr, got.Cause = e.Stderr, e.Cause; *got != *e {
		t.Errorf("got %#v", got)
	}
	if e := ParseCrash([]byte("junk")); !errors.Is(e, ErrMalformed) {
		t.Errorf("got %v", e)
	}
}

// FuzzParse: EN1 and EN2 for any bytes, as each kind.
func FuzzParse(f *testing.F) {
	for _, s := range samples {
		f.Add(s.data)
		f.Add(s.data[:len(s.data)/2])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for kind, parse := range parsers {
			again, err := parse(data)
			if err == nil && !bytes.Equal(again, data) {
				t.Errorf("%c: %x was taken as %x", kind, data, again)
			}
			if err == nil && data[2] != kind {
				t.Errorf("%x was taken as a %c", data, kind)
			}
		}
		IsNotice(data)
		ParseCrash(data)
	})
}

// FuzzID: what ParseID takes is what String gives.
func FuzzID(f *testing.F) {
	f.Add(client + ".o.1z.0")
	f.Add("a.b.c.1.2")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseID(s); err == nil && id.String() != s {
			t.Errorf("%q became %q", s, id)
		}
	})
}

func BenchmarkChunk(b *testing.B) {
	item := AppendItem(nil, &Item{Function: "bench.echo", Argument: make([]byte, 64), AtMost: 1})
	task := Task{Client: client, Epoch: "e1", Index: Whole}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendTaskHead(buf[:0], &task, 256)
		for i := range 256 {
			at := len(buf)
			buf = append(buf, item...)
			SetItem(buf[at:], i, 0)
		}
		var into = &task
		if err := ParseTask(buf, into); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/item")
}
