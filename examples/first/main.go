package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

func main() {
	pool := gopool.New(gopool.Options{Workers: 3})
	defer pool.Close() // finishes everything
	read := func(_ context.Context, file string) ([]byte, error) { return os.ReadFile(file) }
	for text, err := range futures.Map(context.Background(), pool, slices.Values(os.Args[1:]), read) {
		fmt.Println(len(text), "bytes, error:", err)
	}
}
