package ipc_test

import (
	"testing"

	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

func newValue[T any](t testing.TB, initial T) *ipc.Value[T] {
	t.Helper()
	v, err := ipc.NewValue(initial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// openPool opens a pool that ends with the test.
func openPool(t testing.TB, workers int) *procpool.Pool {
	t.Helper()
	p, err := procpool.New(procpool.Options{Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}
