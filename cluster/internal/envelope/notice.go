package envelope

import "encoding/binary"

// Ref names an item, or with Index Whole all items of a chunk. Whose chunk it is, is said
// elsewhere.
type Ref struct {
	Chunk uint64
	Index int
}

const refSize = 12

// Notice tells a client what became of its tasks before they have a result.
type Notice struct {
	Worker   string
	Begun    []Ref  // user code of these runs, or ran
	Dropped  []Ref  // these were not begun when a cancel came, and will not be
	Returned []Ref  // these were not begun and are given back to the queue
	Fence    uint64 // the client's own number, which tells it that all before has arrived; 0 for none
}

// AppendNotice appends a notice. It panics if n has more of something than its bound.
func AppendNotice(dst []byte, n *Notice) []byte {
	dst = appendHead(dst, kindNotice)
	for _, refs := range [...][]Ref{n.Begun, n.Dropped, n.Returned} {
		within(len(refs), MaxRefs, "references")
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(refs)))
	}
	dst = binary.LittleEndian.AppendUint64(dst, n.Fence)
	dst = appendText1(dst, n.Worker)
	for _, refs := range [...][]Ref{n.Begun, n.Dropped, n.Returned} {
		dst = appendRefs(dst, refs)
	}
	return dst
}

// ParseNotice parses a notice (EN2, EN3).
func ParseNotice(data []byte, into *Notice) error {
	c := open(data, kindNotice)
	begun, dropped, returned := c.uint32(), c.uint32(), c.uint32()
	into.Fence = c.uint64()
	into.Worker = c.text1(into.Worker)
	into.Begun = c.refs(begun, into.Begun)
	into.Dropped = c.refs(dropped, into.Dropped)
	into.Returned = c.refs(returned, into.Returned)
	return c.close("notice")
}

// IsNotice reports whether a message claims to be a notice: what comes to a client beside
// results is either this or a Partial result.
func IsNotice(data []byte) bool { return len(data) >= headSize && data[2] == kindNotice }

// Refs is a message to all workers about items of one client.
type Refs struct {
	Client string
	All    bool // all of the client's, also those that are not in Refs
	Refs   []Ref
}

const refsAll = 1

// AppendCancel appends a message that tells workers to stop items, and not to begin them.
// It panics if r has more of something than its bound.
func AppendCancel(dst []byte, r *Refs) []byte { return appendMany(dst, kindCancel, r) }

// ParseCancel parses what AppendCancel makes (EN2, EN3).
func ParseCancel(data []byte, into *Refs) error { return parseMany(data, kindCancel, into, "cancel") }

// AppendHave appends a message that asks workers whether they have one of the items. It
// panics if r has more of something than its bound.
func AppendHave(dst []byte, r *Refs) []byte { return appendMany(dst, kindHave, r) }

// ParseHave parses what AppendHave makes (EN2, EN3).
func ParseHave(data []byte, into *Refs) error { return parseMany(data, kindHave, into, "question") }

func appendMany(dst []byte, kind byte, r *Refs) []byte {
	within(len(r.Refs), MaxRefs, "references")
	var flags byte
	if r.All {
		flags = refsAll
	}
	dst = appendHead(dst, kind)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(r.Refs)))
	dst = append(dst, flags)
	dst = appendText1(dst, r.Client)
	return appendRefs(dst, r.Refs)
}

func parseMany(data []byte, kind byte, into *Refs, what string) error {
	c := open(data, kind)
	n := c.uint32()
	flags := c.uint8()
	c.check(flags&^refsAll == 0, "flags")
	into.All = flags&refsAll != 0
	into.Client = c.text1(into.Client)
	into.Refs = c.refs(n, into.Refs)
	return c.close(what)
}

func appendRefs(dst []byte, refs []Ref) []byte {
	for _, r := range refs {
		within(r.Index+1, MaxItems, "as index")
		dst = binary.LittleEndian.AppendUint64(dst, r.Chunk)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(int32(r.Index)))
	}
	return dst
}

func (c *cursor) refs(n uint32, into []Ref) []Ref {
	if n > MaxRefs {
		c.fail("references")
		n = 0
	}
	into = resize(into, c.count(int(n), MaxRefs, refSize, "references"))
	for i := range into {
		into[i] = Ref{Chunk: c.uint64(), Index: c.index()}
	}
	return into
}
