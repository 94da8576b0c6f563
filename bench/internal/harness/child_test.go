package harness

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestChild: what becomes of a run, whatever its process does.
func TestChild(t *testing.T) {
	for _, test := range []struct{ system, failure string }{
		{"fails", "5 of 7 tasks ran: the reason"},
		{"dies", "exit status 3: last words"},
		{"too-many", "2 values for 1 metrics"},
		{"nonsense", "measured [-1]"},
		{"nobody", "nobody to ask"},
	} {
		t.Run(test.system, func(t *testing.T) {
			if s := ask(test.system, Params{}); !strings.Contains(s.Error, test.failure) || s.Values != nil {
				t.Errorf("got %+v, want the error %q", s, test.failure)
			}
		})
	}
	t.Run("answers", func(t *testing.T) {
		if s := ask("answers", Params{Tasks: 42}); s.Error != "" || len(s.Values) != 1 || s.Values[0] != 42 {
			t.Errorf("got %+v, want 42", s)
		}
	})
	t.Run("declines", func(t *testing.T) {
		if s := ask("declines", Params{}); s.Declined != "has no queue" || s.Error != "" {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("hangs", func(t *testing.T) {
		s := runChild(t.Context(), cell{Group: "roles", Question: "question", System: "hangs", Limit: 300 * time.Millisecond})
		if !strings.Contains(s.Error, "no answer within 300ms") {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if s := runChild(ctx, cell{Group: "roles", Question: "question", System: "hangs", Limit: time.Minute}); s.Error == "" {
			t.Errorf("got %+v", s)
		}
	})
}

// TestNotAChild: without the variable a process goes on.
func TestNotAChild(t *testing.T) {
	roles().ServeIfChild()
}

func TestTail(t *testing.T) {
	var kept tail
	for range 100 {
		if n, err := kept.Write([]byte(strings.Repeat("x", 99) + "\n")); n != 100 || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := kept.Write([]byte("end\n")); err != nil {
		t.Fatal(err)
	}
	if s := kept.String(); len(s) > tailSize || !strings.HasSuffix(s, "x\nend") {
		t.Errorf("kept %d bytes: %q", len(s), s)
	}
}
