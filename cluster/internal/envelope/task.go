package envelope

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// Whole is the index of a task message that has all items of its chunk.
const Whole = -1

// Task is a task message.
type Task struct {
	Client  string // of whom it is
	Epoch   string // part of the subject of its result
	Chunk   uint64 // unique for the client
	Index   int    // Whole, or the index of the one item that was split off its chunk
	Lost    int    // workers that had it and were lost
	Items   []Item // at least one
	History []Loss // of its losses, oldest first
}

// Item is one task.
type Item struct {
	Index    int    // in its chunk
	Function string // the registered name
	Context  []byte // record of context values, of package codec
	Argument []byte // encoded, unless Blob says that it is in the object store
	Blob     Blob

	Submitted int64 // time
	Deadline  int64 // of the submitter's context, a time; 0 for none
	Timeout   int64 // of one attempt; 0 for none
	AtMost    int   // how many workers may be lost with it before it has failed
	Made      int   // attempts that the client has seen fail
	Retry     Retry // what the worker does if it fails
	Labels    []Tag
}

// Retry is a futures.RetryPolicy without If. Set tells one that says nothing from none.
type Retry struct {
	Set                 bool
	Max                 int
	Backoff, MaxBackoff int64
	Multiplier, Jitter  float64
}

// Tag is a label.
type Tag struct{ Key, Value string }

// Loss is a worker that was lost with a task.
type Loss struct {
	Time   int64
	By     string // the worker that noticed
	Reason string
}

const (
	taskHead = 24
	itemHead = 32
)

// The optional parts of an item.
const (
	itemDeadline = 1 << iota
	itemTimeout
	itemRetry
	itemLabels
	itemBlob
	itemFlags = 1<<iota - 1
)

// Check reports what of an item is too large to travel, before it is given to AppendItem.
func (it *Item) Check() error {
	switch {
	case len(it.Function) == 0 || len(it.Function) > MaxName:
		return fmt.Errorf("a name of %d bytes, must be 1 to %d", len(it.Function), MaxName)
	case !utf8.ValidString(it.Function):
		return fmt.Errorf("its name is not UTF-8")
	case len(it.Labels) > MaxLabels:
		return fmt.Errorf("%d labels, at most %d", len(it.Labels), MaxLabels)
	}
	for _, l := range it.Labels {
		if len(l.Key) > MaxText || len(l.Value) > MaxText {
			return fmt.Errorf("label of %d and %d bytes, at most %d each", len(l.Key), len(l.Value), MaxText)
		}
		if !utf8.ValidString(l.Key) || !utf8.ValidString(l.Value) {
			return fmt.Errorf("label %q=%q is not UTF-8", l.Key, l.Value)
		}
	}
	return nil
}

// AppendTask appends a task message. It panics if t has no items, or more of something
// than its bound.
func AppendTask(dst []byte, t *Task) []byte {
	dst = AppendTaskHead(dst, t, len(t.Items))
	for i := range t.Items {
		dst = AppendItem(dst, &t.Items[i])
	}
	return dst
}

// AppendTaskHead appends a task message without its items, of which as many as it is told
// must follow: each what AppendItem makes.
func AppendTaskHead(dst []byte, t *Task, items int) []byte {
	if items == 0 {
		panic("envelope: a task message without items")
	}
	within(items, MaxItems, "items")
	within(t.Lost, MaxLost, "losses")
	within(len(t.History), MaxLosses, "losses")
	within(t.Index+1, MaxItems, "as index")
	dst = appendHead(dst, kindTask)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(items))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(t.Lost))
	dst = binary.LittleEndian.AppendUint64(dst, t.Chunk)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(int32(t.Index)))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(t.History)))
	dst = append(dst, 0, 0)
	dst = appendText1(dst, t.Client)
	dst = appendText1(dst, t.Epoch)
	for _, l := range t.History {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(l.Time))
		dst = appendText1(dst, l.By)
		dst = appendText2(dst, l.Reason)
	}
	return dst
}

// AppendItem appends an item. Check has found nothing.
func AppendItem(dst []byte, it *Item) []byte {
	at := len(dst)
	dst = append(BeginItem(dst, it), it.Context...)
	dst = append(dst, it.Argument...)
	EndItem(dst[at:], len(it.Context), len(it.Argument))
	return dst
}

// BeginItem appends an item without Context and Argument, for who encodes them in place:
// context, then argument, are appended, and then EndItem is called.
func BeginItem(dst []byte, it *Item) []byte {
	within(it.Index, MaxItems-1, "as index")
	within(it.AtMost, MaxLost, "allowed losses")
	within(it.Made, MaxAttempts, "attempts")
	within(len(it.Function), MaxName, "bytes of a name")
	flags := it.flags()
	at := len(dst)
	dst = append(dst, make([]byte, itemHead)...)
	head := dst[at:]
	binary.LittleEndian.PutUint32(head[4:], uint32(it.Index))
	binary.LittleEndian.PutUint16(head[8:], flags)
	binary.LittleEndian.PutUint16(head[10:], uint16(len(it.Function)))
	binary.LittleEndian.PutUint16(head[12:], uint16(it.AtMost))
	binary.LittleEndian.PutUint16(head[14:], uint16(it.Made))
	binary.LittleEndian.PutUint64(head[16:], uint64(it.Submitted))
	dst = append(dst, it.Function...)
	if flags&itemDeadline != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(it.Deadline))
	}
	if flags&itemTimeout != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(it.Timeout))
	}
	if flags&itemRetry != 0 {
		dst = appendRetry(dst, &it.Retry)
	}
	if flags&itemLabels != 0 {
		within(len(it.Labels), MaxLabels, "labels")
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(it.Labels)))
		for _, l := range it.Labels {
			dst = appendText2(appendText2(dst, l.Key), l.Value)
		}
	}
	if flags&itemBlob != 0 {
		dst = appendBlob(dst, it.Blob)
	}
	return dst
}

// EndItem writes the lengths into an item of which it is given all.
func EndItem(item []byte, context, argument int) {
	binary.LittleEndian.PutUint32(item, uint32(len(item)))
	binary.LittleEndian.PutUint32(item[24:], uint32(context))
	binary.LittleEndian.PutUint32(item[28:], uint32(argument))
}

func (it *Item) flags() (flags uint16) {
	if it.Deadline != 0 {
		flags |= itemDeadline
	}
	if it.Timeout != 0 {
		flags |= itemTimeout
	}
	if it.Retry.Set {
		flags |= itemRetry
	}
	if len(it.Labels) > 0 {
		flags |= itemLabels
	}
	if it.Blob.Name != "" {
		flags |= itemBlob
	}
	return flags
}

// SetItem changes the index, and the attempts that were seen to fail, of an item that
// AppendItem has made: who encodes it does not know yet where in which chunk it will be.
func SetItem(item []byte, index, made int) {
	within(index, MaxItems-1, "as index")
	within(made, MaxAttempts, "attempts")
	binary.LittleEndian.PutUint32(item[4:], uint32(index))
	binary.LittleEndian.PutUint16(item[14:], uint16(made))
}

func appendRetry(dst []byte, r *Retry) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.Max))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.Backoff))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.MaxBackoff))
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(r.Multiplier))
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(r.Jitter))
}

// ParseTask parses a task message (EN2, EN3). A retry policy in it is one that
// futures.Retry takes.
func ParseTask(data []byte, into *Task) error {
	c := open(data, kindTask)
	items := int(c.uint16())
	into.Lost = int(c.uint16())
	into.Chunk = c.uint64()
	into.Index = c.index()
	losses := int(c.uint16())
	c.check(c.uint16() == 0, "reserved bytes")
	into.Client = c.text1(into.Client)
	into.Epoch = c.text1(into.Epoch)
	into.History = resize(into.History, c.count(losses, MaxLosses, 11, "losses"))
	for i := range into.History {
		l := &into.History[i]
		l.Time = int64(c.uint64())
		l.By = c.text1(l.By)
		l.Reason = c.text2(l.Reason)
	}
	c.check(items > 0, "number of items")
	into.Items = resize(into.Items, c.count(items, MaxItems, itemHead, "number of items"))
	for i := range into.Items {
		c.item(&into.Items[i])
	}
	return c.close("task")
}

func (c *cursor) item(it *Item) {
	left := len(c.data)
	length := c.uint32()
	index := c.index()
	c.check(index >= 0, "index")
	flags := c.uint16()
	c.check(flags&^itemFlags == 0, "flags")
	name := int(c.uint16())
	c.check(name > 0, "name")
	it.Index = index
	it.AtMost = int(c.uint16())
	it.Made = int(c.uint16())
	it.Submitted = int64(c.uint64())
	contextSize, argument := c.uint32(), c.uint32()
	it.Function = c.text(name, it.Function)
	it.Deadline, it.Timeout, it.Retry, it.Labels = 0, 0, Retry{}, it.Labels[:0]
	if flags&itemDeadline != 0 {
		it.Deadline = c.duration("deadline")
		c.check(it.Deadline > 0, "deadline")
	}
	if flags&itemTimeout != 0 {
		it.Timeout = c.duration("timeout")
		c.check(it.Timeout > 0, "timeout")
	}
	if flags&itemRetry != 0 {
		it.Retry = c.retry()
	}
	if flags&itemLabels != 0 {
		n := int(c.uint16())
		c.check(n > 0, "labels")
		it.Labels = resize(it.Labels, c.count(n, MaxLabels, 4, "labels"))
		for i := range it.Labels {
			l := &it.Labels[i]
			l.Key, l.Value = c.text2(l.Key), c.text2(l.Value)
		}
	}
	if flags&itemBlob != 0 {
		it.Blob = c.blob(it.Blob)
	} else {
		it.Blob = Blob{}
	}
	it.Context = c.bytes(int(contextSize))
	it.Argument = c.bytes(int(argument))
	c.check(c.failed != "" || left-len(c.data) == int(length), "length of an item")
}

func (c *cursor) retry() Retry {
	r := Retry{Set: true, Max: int(c.duration("Max")), Backoff: c.duration("Backoff"), MaxBackoff: c.duration("MaxBackoff")}
	r.Multiplier = math.Float64frombits(c.uint64())
	r.Jitter = math.Float64frombits(c.uint64())
	c.check(r.Multiplier == 0 || r.Multiplier >= 1 && !math.IsInf(r.Multiplier, 0), "Multiplier")
	c.check(r.Jitter >= 0 && r.Jitter <= 1, "Jitter")
	return r
}
