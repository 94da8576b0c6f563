package stream

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// document is SUBJECTS.md, and placeholder the names as it has them.
const document = "../../SUBJECTS.md"

var placeholder = Names{"<namespace>", "fx.<namespace>.", "FX_<namespace>_"}

// tables returns the rows of the document's tables, without the first two lines of each,
// by the heading that they stand under and by the words of the table's own first row.
func tables(t *testing.T) map[string][][]string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][][]string)
	var heading, name string
	line := 0 // of the table
	for row := range strings.SplitSeq(string(text), "\n") {
		switch {
		case strings.HasPrefix(row, "#"):
			heading = strings.TrimLeft(row, "# ")
		case !strings.HasPrefix(row, "|"):
			line = 0
			continue
		}
		cells := strings.Split(strings.Trim(row, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch line++; {
		case strings.HasPrefix(row, "#"):
			line = 0
		case line == 1:
			name = heading + ": " + strings.Join(cells, ", ")
		case line > 2:
			all[name] = append(all[name], cells)
		}
	}
	return all
}

func take(t *testing.T, all map[string][][]string, name string) [][]string {
	t.Helper()
	rows, has := all[name]
	if !has {
		t.Fatalf("there is no table %q, only %q", name, slices.Sorted(maps.Keys(all)))
	}
	return rows
}

func TestDocumentStreams(t *testing.T) {
	rows := take(t, tables(t), "Streams: stream, subjects, settings")
	c := &Conn{Names: placeholder}
	configs := c.streams(Layout{})
	if len(rows) != len(configs) {
		t.Errorf("%d rows, %d streams", len(rows), len(configs))
	}
	for i := range min(len(rows), len(configs)) {
		s := configs[i]
		want := []string{"`" + s.Name + "`", "`" + strings.Join(s.Subjects, "` `") + "`", settings(s)}
		if !slices.Equal(rows[i], want) {
			t.Errorf("| %s |, want | %s |", strings.Join(rows[i], " | "), strings.Join(want, " | "))
		}
		if !s.AllowDirect || s.Storage != jetstream.FileStorage || s.Replicas != 1 {
			t.Errorf("%s: %+v", s.Name, s)
		}
	}
	// What every stream must be, whatever the options: these make CL1 and CL2.
	results := configs[2]
	if results.Name != placeholder.Results() || !results.DiscardNewPerSubject || results.MaxMsgsPerSubject != 1 {
		t.Errorf("%+v", results)
	}
}

// settings describes what is not the default of a stream.
func settings(s jetstream.StreamConfig) string {
	words := []string{strings.TrimSuffix(fmt.Sprint(s.Retention), "Policy")}
	add := func(is bool, format string, a ...any) {
		if is {
			words = append(words, fmt.Sprintf(format, a...))
		}
	}
	add(s.Discard == jetstream.DiscardNew, "DiscardNew")
	add(s.DiscardNewPerSubject, "DiscardNewPerSubject")
	add(s.MaxMsgs > 0, "MaxMsgs %d", s.MaxMsgs)
	add(s.MaxMsgsPerSubject > 0, "MaxMsgsPerSubject %d", s.MaxMsgsPerSubject)
	add(s.MaxAge > 0, "MaxAge %v", s.MaxAge)
	add(s.Duplicates > 0, "Duplicates %v", s.Duplicates)
	add(s.AllowMsgTTL, "AllowMsgTTL")
	add(s.AllowMsgSchedules, "AllowMsgSchedules")
	add(s.AllowAtomicPublish, "AllowAtomicPublish")
	for _, from := range s.Sources {
		add(true, "sources `%s`", from.Name)
	}
	return strings.Join(words, ", ")
}

func TestDocumentConsumers(t *testing.T) {
	rows := take(t, tables(t), "Streams: setting, value")
	have := make(map[string]string)
	for _, r := range rows {
		have[r[0]] = r[1]
	}
	want := map[string]string{
		"FilterSubject": "`" + strings.Replace(placeholder.TaskFilter("<queue>", 1), ".1.", ".<level>.", 1) + "`",
		"AckPolicy":     "explicit",
		"AckWait":       DefaultLease.String(),
		"MaxDeliver":    "-1",
		"MaxAckPending": fmt.Sprint(MaxAckPending),
		"MaxWaiting":    fmt.Sprint(MaxWaiting),
	}
	if !maps.Equal(have, want) {
		t.Errorf("%v, want %v", have, want)
	}
	if n := placeholder.Consumer("<queue>", 1); n != "<queue>_1" {
		t.Errorf("Consumer: %s", n)
	}
}

// TestDocumentSubjects compares each row with what makes the subject.
func TestDocumentSubjects(t *testing.T) {
	n := placeholder
	// The numbers stand for <level>, <chunk>, <index> and <part>.
	numbers := strings.NewReplacer(".1.", ".<level>.", ".9ix", ".<chunk>", ".3", "[.<index>]", ".0", ".<part>")
	const chunk = 12345
	want := []string{
		n.Task("<queue>", 1, "<client>", chunk, 3),
		n.Keep("<client>"),
		n.At("<client>", chunk),
		n.Due("<queue>", 1, "<client>", chunk),
		n.Result("<client>", "<epoch>", chunk, 3),
		n.DeadLetter("<queue>", "<client>", chunk, 3),
		n.Part("<name>", 0),
		n.Notice("<client>"),
		n.Cancel(),
		n.Have(),
		strings.TrimSuffix(n.inbox("<role>", ""), ".") + ".>",
	}
	for i := range want {
		want[i] = "`" + numbers.Replace(want[i]) + "`"
	}
	var have []string
	for _, r := range take(t, tables(t), "Subjects: subject, from, to, what") {
		have = append(have, r[0])
	}
	if !slices.Equal(have, want) {
		t.Errorf("%q, want\n%q", have, want)
	}
}

func TestDocumentHeaders(t *testing.T) {
	have := make(map[string]bool)
	for _, r := range take(t, tables(t), "Headers: header, on, meaning") {
		have[strings.Trim(r[0], "`")] = true
	}
	want := map[string]bool{"Nats-Msg-Id": true}
	for _, header := range []nats.Header{ScheduleHeader(time.Now(), "x"), TTLHeader(time.Second)} {
		for name := range header {
			want[name] = true
		}
	}
	if !maps.Equal(have, want) {
		t.Errorf("%v, want %v", have, want)
	}
}

func TestDocumentLimits(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{
		fmt.Sprintf("expires after %v |", pullExpires), fmt.Sprintf("known for %v |", DuplicateWindow),
		fmt.Sprintf("parts of %d KiB", blobPart>>10), fmt.Sprintf("entries live %.0f s", PresenceTTL.Seconds()),
		fmt.Sprintf("1 to %d letters", maxName), fmt.Sprintf("error %d", CodeStoreFailed),
	} {
		if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), says) {
			t.Errorf("it does not say %q", says)
		}
	}
}

func TestDocumentPermissions(t *testing.T) {
	all := tables(t)
	for _, role := range []Role{Client, Worker} {
		needs := placeholder.Permissions(role)
		for what, want := range map[string][]string{"publish": needs.Publish, "subscribe": needs.Subscribe} {
			var have []string
			for _, r := range take(t, all, fmt.Sprintf("%s, %s: subject, to", role, what)) {
				have = append(have, strings.Trim(r[0], "`"))
			}
			slices.Sort(have)
			want = slices.Sorted(slices.Values(want))
			for _, s := range have {
				if !slices.Contains(want, s) {
					t.Errorf("%s, %s: %s is in the document only", role, what, s)
				}
			}
			for _, s := range want {
				if !slices.Contains(have, s) {
					t.Errorf("%s, %s: %s is not in the document", role, what, s)
				}
			}
			if len(slices.Compact(have)) != len(want) {
				t.Errorf("%s, %s: a subject is there twice", role, what)
			}
		}
	}
	if placeholder.Permissions(Client).Respond || !placeholder.Permissions(Worker).Respond {
		t.Error("a worker may answer, and a client not")
	}
	// Nothing reaches out of the namespace: each subject names it, but for one.
	elsewhere := regexp.MustCompile(`^(\$JS\.API\.INFO|.*<namespace>.*)$`)
	for _, role := range []Role{Client, Worker} {
		needs := placeholder.Permissions(role)
		for _, s := range slices.Concat(needs.Publish, needs.Subscribe) {
			if !elsewhere.MatchString(s) {
				t.Errorf("%s: %s", role, s)
			}
		}
	}
}
