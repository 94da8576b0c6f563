package stream

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

func testNames(t testing.TB, namespace string) Names {
	t.Helper()
	n, err := NewNames(namespace)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNamespaces(t *testing.T) {
	if n := testNames(t, ""); n.Namespace() != Default || n.Tasks() != "FX_default_TASKS" || n.Keep("c") != "fx.default.keep.c" {
		t.Errorf("without a name: %+v", n)
	}
	for _, bad := range []string{strings.Repeat("x", maxName+1), "a.b", "a b", "*", ">", "é", "a\x00", "$JS"} {
		if _, err := NewNames(bad); err == nil || !strings.Contains(err.Error(), "namespace") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// Names of streams and consumers join what users choose with what they do not.
	seen := make(map[string]string)
	for _, ns := range []string{"a", "a_TASKS", "a_", "A", "-", "a_DEAD_LATER", "a_workers"} {
		n := testNames(t, ns)
		for _, stream := range []string{n.Tasks(), n.Results(), n.Dead(), n.Later(), "KV_" + n.Workers(), n.Blobs()} {
			if other, taken := seen[stream]; taken {
				t.Errorf("%s is a stream of %s and of %s", stream, other, ns)
			}
			seen[stream] = ns
		}
	}
	n := testNames(t, "a")
	consumers := make(map[string]bool)
	for _, queue := range []string{"q", "q_1", "q_1_1", "q_"} {
		for level := range Levels {
			consumers[n.Consumer(queue, level)] = true
		}
	}
	if len(consumers) != 4*Levels {
		t.Errorf("two queues share a consumer: %v", consumers)
	}
}

func TestTaskSubjects(t *testing.T) {
	n := testNames(t, "shop")
	for _, c := range []struct {
		TaskSubject
		subject string
	}{
		{TaskSubject{"mail", 0, "client", 0, -1}, "fx.shop.q.mail.0.client.0"},
		{TaskSubject{"mail", 2, "client", 35, 0}, "fx.shop.q.mail.2.client.z.0"},
		{TaskSubject{"a-b_C", 1, "x", math.MaxUint64, math.MaxInt32}, "fx.shop.q.a-b_C.1.x.3w5e11264sgsf.2147483647"},
	} {
		if subject := n.Task(c.Queue, c.Level, c.Client, c.Chunk, c.Index); subject != c.subject {
			t.Errorf("Task(%+v) = %s, want %s", c.TaskSubject, subject, c.subject)
		}
		if got, err := n.ParseTask(c.subject); err != nil || got != c.TaskSubject {
			t.Errorf("ParseTask(%s) = %+v, %v", c.subject, got, err)
		}
		if filter := n.TaskFilter(c.Queue, c.Level); !strings.HasPrefix(c.subject, strings.TrimSuffix(filter, ">")) {
			t.Errorf("%s does not match %s", c.subject, filter)
		}
	}
	for _, subject := range slices.Concat(refusedItems("fx.shop.q.mail.0.client"), []string{
		"", "fx.shop.q", "fx.shop.q.mail", "fx.shop.q.mail.0", "fx.other.q.mail.0.client.0", "fx.shop.q.mail.3.client.0",
		"fx.shop.q.mail.00.client.0", "fx.shop.q.mail.-1.client.0", "fx.shop.q..0.client.0", "fx.shop.q.mail.0..0", "fx.shop.r.client.e1.0",
	}) {
		if got, err := n.ParseTask(subject); err == nil || !strings.Contains(err.Error(), "shop") {
			t.Errorf("ParseTask(%q) = %+v, %v", subject, got, err)
		}
	}
}

func TestResultSubjects(t *testing.T) {
	n := testNames(t, "shop")
	for _, c := range []struct {
		ResultSubject
		subject string
	}{
		{ResultSubject{"client", "o", 1, -1}, "fx.shop.r.client.o.1"},
		{ResultSubject{"client", "e12", 36, 255}, "fx.shop.r.client.e12.10.255"},
	} {
		if subject := n.Result(c.Client, c.Epoch, c.Chunk, c.Index); subject != c.subject {
			t.Errorf("Result(%+v) = %s, want %s", c.ResultSubject, subject, c.subject)
		}
		if got, err := n.ParseResult(c.subject); err != nil || got != c.ResultSubject {
			t.Errorf("ParseResult(%s) = %+v, %v", c.subject, got, err)
		}
		for _, filter := range []string{n.ResultFilter(c.Client, ""), n.ResultFilter(c.Client, c.Epoch)} {
			if !strings.HasPrefix(c.subject, strings.TrimSuffix(filter, ">")) {
				t.Errorf("%s does not match %s", c.subject, filter)
			}
		}
	}
	for _, subject := range slices.Concat(refusedItems("fx.shop.r.client.o"), []string{"fx.shop.r.client", "fx.shop.r..o.1", "fx.shop.r.client..1", "fx.shop.q.mail.0.client.0"}) {
		if got, err := n.ParseResult(subject); err == nil {
			t.Errorf("ParseResult(%q) = %+v", subject, got)
		}
	}
}

// refusedItems are subjects whose end no number makes.
func refusedItems(head string) (all []string) {
	for _, tail := range []string{"", ".", ".A", ".01", ".+1", ".-1", ".1.", ".1.01", ".1.-1", ".1.x", ".1.2.3", ".3w5e11264sgsg", ".1.99999999999999999999", ". 1", ".1\r\n"} {
		all = append(all, head+tail)
	}
	return all
}

func FuzzSubjects(f *testing.F) {
	n := testNames(f, "shop")
	for _, s := range []string{"fx.shop.q.mail.0.client.0", "fx.shop.q.a.2.b.zz.17", "fx.shop.r.client.e1.5.6", "fx.shop.r..", "fx.shop.q.mail.0.client.00", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		if s, err := n.ParseTask(subject); err == nil && n.Task(s.Queue, s.Level, s.Client, s.Chunk, s.Index) != subject {
			t.Errorf("%q is parsed as %+v", subject, s)
		}
		if s, err := n.ParseResult(subject); err == nil && n.Result(s.Client, s.Epoch, s.Chunk, s.Index) != subject {
			t.Errorf("%q is parsed as %+v", subject, s)
		}
		m := &Message{}
		m.Msg = &nats.Msg{Reply: subject}
		if err := m.parseReply(); err == nil && !strings.HasPrefix(subject, ackPrefix) {
			t.Errorf("%q is parsed as %+v", subject, m)
		}
	})
}

func TestReplies(t *testing.T) {
	for _, reply := range []string{
		"$JS.ACK.FX_default_TASKS.default_1.2.34.5.1795707139594657916.9",
		"$JS.ACK.hub.ACCOUNTHASH.FX_default_TASKS.default_1.2.34.5.1795707139594657916.9",
		"$JS.ACK.hub.ACCOUNTHASH.FX_default_TASKS.default_1.2.34.5.1795707139594657916.9.random",
	} {
		m := &Message{Msg: &nats.Msg{Reply: reply}}
		if err := m.parseReply(); err != nil || m.Delivered != 2 || m.Sequence != 34 || m.Pending != 9 || m.Stored.UnixNano() != 1795707139594657916 {
			t.Errorf("%s: %+v, %v", reply, m, err)
		}
	}
	for _, reply := range []string{"", "$JS.ACK.", "$JS.ACK.a.b.1.2.3.4", "$JS.ACK.a.b.1.2.3.4.x", "$JS.ACK.a.b.1.2.3.4.5.6", "x.a.b.1.2.3.4.5"} {
		m := &Message{Msg: &nats.Msg{Reply: reply}}
		if err := m.parseReply(); err == nil {
			t.Errorf("%q: %+v", reply, m)
		}
	}
}
