package gopool_test

import (
	"context"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	for range 100 {
		p := gopool.New(gopool.Options{Workers: 3, Queue: 16})
		var fs []*futures.Future[int]
		for i := range 1000 {
			fs = append(fs, futures.Submit(ctx, p, func(context.Context) (int, error) { return i, nil }))
		}
		vs, err := futures.Gather(ctx, fs...)
		if err != nil || len(vs) != 1000 || vs[999] != 999 {
			t.Fatal(err)
		}
		p.Close()
	}
}
