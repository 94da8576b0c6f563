package wire_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
	"github.com/futures-go/futures/wire"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

var errNoSuchUser = errors.New("no such user")

type quotaError struct{ Left int }

func (e *quotaError) Error() string { return fmt.Sprintf("%d left", e.Left) }

type requestKey struct{}

func init() {
	wire.RegisterError("wire_test.errNoSuchUser", errNoSuchUser)
	wire.RegisterErrorType[*quotaError]("wire_test.quotaError")
	wire.RegisterContextValue[string]("wire_test.request", requestKey{})
}

func ExampleRegisterError() {
	// var ErrNoSuchUser = errors.New("no such user")
	// func init() { wire.RegisterError("users.ErrNoSuchUser", ErrNoSuchUser) }
	//
	// _, err := Find.Submit(ctx, procs, "eve").Result(ctx)
	// errors.Is(err, ErrNoSuchUser) // true, also if Find has wrapped it
}

func ExampleCheck() {
	type job struct {
		Name    string
		Results chan int
	}
	fmt.Println(wire.Check[job]())
	// Output: codec: wire_test.job.Results: chan int cannot travel
}
