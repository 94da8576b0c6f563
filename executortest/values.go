package executortest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures"
)

// parcel is an argument of many kinds.
type parcel struct {
	Text    string
	Bytes   []byte
	Numbers []int64
	Table   map[string]float64
	Fixed   [3]uint16
	Flag    bool
	Inner   *parcel
	List    []parcel
}

// mirror returns its argument.
var mirror = futures.Define("executortest.mirror", func(_ context.Context, p parcel) (parcel, error) { return p, nil })

// unpack goes to a meeting and returns what is in the parcel then.
var unpack = futures.Define("executortest.unpack", func(ctx context.Context, p sealed) (string, error) {
	return string(p.Parcel.Bytes), attend(ctx, p.Place)
})

type sealed struct {
	Place  Place
	Parcel parcel
}

// fail goes to a meeting and fails.
var fail = futures.Define("executortest.fail", func(ctx context.Context, p Place) (int, error) {
	if err := attend(ctx, p); err != nil {
		return 0, err
	}
	return p.Value, fs.ErrInvalid
})

// values holds what is promised of arguments, values and errors.
func (s *suite) values(t *testing.T) {
	s.each(t, "EX-01 values of many kinds", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		inner := parcel{Text: "innermost", Fixed: [3]uint16{1, 0, 65535}}
		parcels := map[string]parcel{
			"zero":   {},
			"text":   {Text: "naïve \x00 \U0001f95e " + strings.Repeat("long ", 10_000)},
			"bytes":  {Bytes: bytes.Repeat([]byte{0, 1, 2, 0xff}, 1<<18)},
			"table":  {Table: map[string]float64{"": -0.5, "a": 1e300, "b": 5e-324}},
			"nested": {Inner: &parcel{Inner: &inner}, List: []parcel{inner, {Flag: true}}, Numbers: []int64{-1 << 63, 0, 1<<63 - 1}},
		}
		fs := make(map[string]*futures.Future[parcel])
		for name, p := range parcels {
			fs[name] = mirror.Submit(ctx, ex, p)
		}
		for name, f := range fs {
			if got, err := f.Result(ctx); err != nil || !reflect.DeepEqual(got, parcels[name]) {
				t.Errorf("%s: %.200v, %v", name, got, err)
			}
		}
	})
	if !s.Local {
		s.each(t, "EX-01 an argument is taken when it is submitted", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
			m := newMeeting(t)
			hold := meet.Submit(ctx, ex, m.place("hold", 1))
			m.await("hold")
			content := []byte("before")
			f := unpack.Submit(ctx, ex, sealed{m.place("a", 1), parcel{Bytes: content}})
			copy(content, "after!")
			m.release("hold", "a")
			if v, err := f.Result(ctx); v != "before" || err != nil {
				t.Errorf("got %q, %v", v, err)
			}
			hold.Result(ctx)
		})
	}
	s.each(t, "EX-01 many submit at once", 3, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		const submitters, each = 6, 50
		results := make(chan error, submitters*each)
		for i := range submitters {
			go func() {
				for j := range each {
					n := i*each + j
					v, err := square.Submit(ctx, ex, n).Result(ctx)
					if err == nil && v != n*n {
						err = errors.New("another's value")
					}
					results <- err
				}
			}()
		}
		for range submitters * each {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
	s.each(t, "TASK a panic tells where", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		_, err := misbehave.Submit(ctx, ex, "panic").Result(ctx)
		p, ok := errors.AsType[*futures.PanicError](err)
		if !ok || p.Goexit || !strings.Contains(err.Error(), "misbehaved") || !strings.Contains(string(p.Stack), "executortest") {
			t.Errorf("%T %v\n%s", err, err, p.Stack)
		}
		_, err = misbehave.Submit(ctx, ex, "goexit").Result(ctx)
		if p, ok := errors.AsType[*futures.PanicError](err); !ok || !p.Goexit {
			t.Errorf("%T %v", err, err)
		}
	})
	s.each(t, "TASK retry asks for each failure, and only then", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		var asked []error
		retry := func(most int, again bool) futures.Option {
			asked = nil
			return futures.Retry(futures.RetryPolicy{Max: most, Backoff: time.Millisecond, If: func(err error) bool {
				asked = append(asked, err)
				return again && len(asked) < 50
			}})
		}
		f := refuse.Submit(ctx, ex, -1, retry(3, true))
		f.Result(ctx)
		want(t, "asked", len(asked), 3)
		for _, err := range asked {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("asked with %v", err)
			}
		}
		refuse.Submit(ctx, ex, -1, retry(3, false)).Result(ctx)
		want(t, "asked, and said no", len(asked), 1)
		echo.Submit(ctx, ex, 1, retry(3, true)).Result(ctx)
		want(t, "asked after success", len(asked), 0)
		misbehave.Submit(ctx, ex, "panic", retry(3, true)).Result(ctx)
		want(t, "asked after a panic", len(asked), 0)
		f = misbehave.Submit(ctx, ex, "until cancelled", retry(2, true), futures.Timeout(5*time.Millisecond))
		if _, err := f.Result(ctx); !errors.Is(err, futures.ErrTimeout) {
			t.Errorf("got %v", err)
		}
		want(t, "asked after a timeout", len(asked), 2)
	})
	s.each(t, "TASK cancelled between two attempts", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		asked := make(chan struct{}, 1)
		f := refuse.Submit(ctx, ex, -1, futures.Retry(futures.RetryPolicy{Max: 1, Backoff: time.Hour, If: func(error) bool {
			asked <- struct{}{}
			return true
		}}))
		<-asked
		// It may still be Running for a moment, and then its failure stands.
		for f.State() == futures.Running {
			echo.Submit(ctx, ex, 1).Result(ctx)
		}
		want(t, "state", f.State(), futures.Pending)
		want(t, "Cancel", f.Cancel(), true)
		want(t, "state", f.State(), futures.Cancelled)
	})
	s.each(t, "TASK labels and priorities change nothing else", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		f := echo.Submit(ctx, ex, 6, futures.Label("k", "v"), futures.Priority(1<<20), futures.Timeout(time.Hour))
		if v, err := f.Result(ctx); v != 6 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
	t.Run("TASK what is not registered", func(t *testing.T) {
		ctx, ex := t.Context(), s.open(t, 1)
		var undefined futures.Func[int, int]
		f := undefined.Submit(ctx, ex, 1)
		if f.State() != futures.Failed || !errors.Is(f.Err(), futures.ErrNotRegistered) {
			t.Errorf("%v: %v", f, f.Err())
		}
	})
}
