package stream

import (
	"fmt"
	"strconv"
	"strings"
)

// maxName is the length of the longest namespace or queue.
const maxName = 32

// Default is the namespace, and the queue, of those that name none.
const Default = "default"

// Levels is the number of priorities that a queue has: a consumer each, 0 first.
const Levels = 3

// Names are the names of streams and subjects in one namespace. SUBJECTS.md lists
// them.
type Names struct {
	namespace string
	prefix    string // of all subjects: "fx.default."
	streams   string // of all streams and buckets: "FX_default_"
}

// NewNames returns the names of a namespace; the empty one is Default.
func NewNames(namespace string) (Names, error) {
	if namespace == "" {
		namespace = Default
	}
	if err := CheckName("namespace", namespace); err != nil {
		return Names{}, err
	}
	return Names{namespace, "fx." + namespace + ".", "FX_" + namespace + "_"}, nil
}

// CheckName tells what is wrong with the name of a namespace, a queue, or whatever
// else is one element of a subject: 1 to 32 letters, digits, _ or -.
func CheckName(what, name string) error {
	if len(name) == 0 || len(name) > maxName {
		return fmt.Errorf("%s %q: want 1 to %d bytes", what, name, maxName)
	}
	for i := range len(name) {
		if c := name[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return fmt.Errorf("%s %q: byte %q, want letters, digits, _ and - only", what, name, c)
		}
	}
	return nil
}

func (n Names) Namespace() string { return n.namespace }

// The streams. Workers is a bucket of keys and values, whose stream has a name of its own.
func (n Names) Tasks() string   { return n.streams + "TASKS" }
func (n Names) Results() string { return n.streams + "RESULTS" }
func (n Names) Dead() string    { return n.streams + "DEAD" }
func (n Names) Later() string   { return n.streams + "LATER" }
func (n Names) Workers() string { return n.streams + "workers" }
func (n Names) Blobs() string   { return n.streams + "BLOBS" }

// Consumer is the durable consumer of a queue's level.
func (n Names) Consumer(queue string, level int) string {
	return queue + "_" + strconv.Itoa(level)
}

// Task is the subject of a task message: of a whole chunk, or of one of its items
// if index is not negative.
func (n Names) Task(queue string, level int, client string, chunk uint64, index int) string {
	return n.item("q."+queue+"."+strconv.Itoa(level)+"."+client, chunk, index)
}

// TaskFilter matches the task messages of a queue's level.
func (n Names) TaskFilter(queue string, level int) string {
	return n.prefix + "q." + queue + "." + strconv.Itoa(level) + ".>"
}

// TasksOf matches all task messages of a client, in whatever queue.
func (n Names) TasksOf(client string) string { return n.prefix + "q.*.*." + client + ".>" }

// AnyTask matches the message of a chunk, or of one of its items, in whatever queue and of
// whatever level.
func (n Names) AnyTask(client string, chunk uint64, index int) string {
	return n.item("q.*.*."+client, chunk, index)
}

// Keep is the subject of a client's sentinel.
func (n Names) Keep(client string) string { return n.prefix + "keep." + client }

// Result is the subject of a result message.
func (n Names) Result(client, epoch string, chunk uint64, index int) string {
	return n.item("r."+client+"."+epoch, chunk, index)
}

// ResultFilter matches all results of a client, or those of an epoch.
func (n Names) ResultFilter(client, epoch string) string {
	if epoch == "" {
		return n.prefix + "r." + client + ".>"
	}
	return n.prefix + "r." + client + "." + epoch + ".>"
}

// Notice is the subject of notices to a client. It is not stored.
func (n Names) Notice(client string) string { return n.prefix + "n." + client }

// Cancel is the subject on which clients tell all workers what to cancel. It is
// not stored.
func (n Names) Cancel() string { return n.prefix + "c.cancel" }

// Have is the subject on which clients ask all workers whether they have a task.
// It is not stored.
func (n Names) Have() string { return n.prefix + "c.have" }

// DeadLetter is the subject of a dead letter.
func (n Names) DeadLetter(queue, client string, chunk uint64, index int) string {
	return n.item("dead."+queue+"."+client, chunk, index)
}

// DeadFilter matches all dead letters.
func (n Names) DeadFilter() string { return n.prefix + "dead.>" }

// Part is the subject of a part of a blob.
func (n Names) Part(name string, i int) string {
	return n.prefix + "b." + name + "." + strconv.Itoa(i)
}

// At is the subject of a delayed task until its time has come, and Due the one
// that it has then: from there it moves to Task(queue, level, client, chunk, -1).
func (n Names) At(client string, chunk uint64) string { return n.item("at."+client, chunk, -1) }

func (n Names) Due(queue string, level int, client string, chunk uint64) string {
	return n.item("due."+queue+"."+strconv.Itoa(level)+"."+client, chunk, -1)
}

// stream tells apart the streams that take subjects: it is the same for those of one stream,
// and empty for a subject that is none of these.
func (n Names) stream(subject string) string {
	rest, ours := strings.CutPrefix(subject, n.prefix)
	kind, _, _ := strings.Cut(rest, ".")
	switch {
	case !ours:
		return ""
	case kind == "keep":
		return "q"
	case kind == "due":
		return "at"
	}
	return kind
}

// inbox is the prefix of the answers to one connection of a role.
func (n Names) inbox(role Role, unique string) string {
	return n.prefix + "i." + string(role) + "." + unique
}

func (n Names) item(head string, chunk uint64, index int) string {
	subject := make([]byte, 0, len(n.prefix)+len(head)+24)
	subject = append(append(subject, n.prefix...), head...)
	subject = strconv.AppendUint(append(subject, '.'), chunk, 36)
	if index >= 0 {
		subject = strconv.AppendInt(append(subject, '.'), int64(index), 10)
	}
	return string(subject)
}

// A TaskSubject is what the subject of a task message tells. Index is -1 for a
// whole chunk.
type TaskSubject struct {
	Queue  string
	Level  int
	Client string
	Chunk  uint64
	Index  int
}

// ParseTask takes the subject of a task message apart. It is strict: a subject that
// Task would not make is refused.
func (n Names) ParseTask(subject string) (t TaskSubject, err error) {
	rest, ours := strings.CutPrefix(subject, n.prefix+"q.")
	queue, rest, _ := strings.Cut(rest, ".")
	level, rest, _ := strings.Cut(rest, ".")
	t.Queue = queue
	ours = ours && CheckName("queue", queue) == nil && len(level) == 1 && level[0] >= '0' && level[0] < '0'+Levels
	if ours {
		t.Level = int(level[0] - '0')
		t.Client, t.Chunk, t.Index, ours = parseItem(rest)
	}
	if !ours {
		return TaskSubject{}, fmt.Errorf("subject %q is not one of a task in namespace %s", subject, n.namespace)
	}
	return t, nil
}

// A ResultSubject is what the subject of a result tells. Index is -1 for a whole
// chunk.
type ResultSubject struct {
	Client, Epoch string
	Chunk         uint64
	Index         int
}

// ParseResult takes the subject of a result apart, as strictly as ParseTask.
func (n Names) ParseResult(subject string) (r ResultSubject, err error) {
	rest, ours := strings.CutPrefix(subject, n.prefix+"r.")
	client, rest, _ := strings.Cut(rest, ".")
	if ours = ours && CheckName("client", client) == nil; ours {
		r.Client = client
		r.Epoch, r.Chunk, r.Index, ours = parseItem(rest)
	}
	if !ours {
		return ResultSubject{}, fmt.Errorf("subject %q is not one of a result in namespace %s", subject, n.namespace)
	}
	return r, nil
}

// parseItem parses "<name>.<chunk>[.<index>]".
func parseItem(s string) (name string, chunk uint64, index int, ok bool) {
	name, rest, _ := strings.Cut(s, ".")
	number, last, indexed := strings.Cut(rest, ".")
	chunk, err := strconv.ParseUint(number, 36, 64)
	if err != nil || CheckName("", name) != nil {
		return "", 0, 0, false
	}
	index = -1
	if indexed {
		if index, err = strconv.Atoi(last); err != nil || index < 0 {
			return "", 0, 0, false
		}
	}
	// One spelling each: no upper case, sign, or leading zero.
	var buf [48]byte
	canonical := strconv.AppendUint(buf[:0], chunk, 36)
	if indexed {
		canonical = strconv.AppendInt(append(canonical, '.'), int64(index), 10)
	}
	return name, chunk, index, rest == string(canonical)
}
