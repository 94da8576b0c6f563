package cluster_test

import (
	"context"
	"fmt"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster"
)

var sum = futures.Define("example.sum", func(_ context.Context, n int64) (int64, error) {
	return n * (n + 1) / 2, nil
})

// Without a URL the server and the workers are in this program, so that nothing has to be
// there before.
func ExampleConnect() {
	ctx := context.Background()
	pool, err := cluster.Connect(ctx, cluster.Options{Workers: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	fmt.Println(sum.Submit(ctx, pool, 1000).Result(ctx))
	// Output: 500500 <nil>
}

// Who has a task's id can wait for it in another program, also after this one has ended.
func ExampleAttach() {
	ctx := context.Background()
	server, err := cluster.StartServer(cluster.ServerOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	here := cluster.Connection{Server: server} // or the URL of a server elsewhere

	first, err := cluster.Connect(ctx, cluster.Options{Connection: here})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer first.Close()
	f := sum.Submit(ctx, first, 1000, futures.Delay(100*time.Millisecond))
	id, err := first.ID(ctx, f)
	if err != nil {
		fmt.Println(err)
		return
	}
	// The id can be written down here, and this program may end.

	second, err := cluster.Connect(ctx, cluster.Options{Connection: here, Workers: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer second.Close()
	again, err := cluster.Attach[int64](ctx, second, id)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(again.Result(ctx))
	// Output: 500500 <nil>
}
