package gopool_test

import (
	"context"
	"errors"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/executortest"
	"github.com/futures-go/futures/gopool"
)

func TestConformance(t *testing.T) {
	executortest.Run(t, executortest.Config{
		Local:      true,
		Rejects:    true,
		Priorities: true,
		New: func(_ testing.TB, o executortest.Options) futures.Executor {
			return gopool.New(gopool.Options{Workers: o.Workers, Queue: o.Queue, RejectWhenFull: o.RejectWhenFull, Logger: quiet})
		},
		NewFailing: func(_ testing.TB, text string) futures.Executor {
			return gopool.New(gopool.Options{Workers: 2, Logger: quiet, Init: func(context.Context, int) error {
				return errors.New(text)
			}})
		},
		NewInitialized: func(_ testing.TB, workers int, initialized func(int)) futures.Executor {
			return gopool.New(gopool.Options{Workers: workers, Init: func(_ context.Context, worker int) error {
				initialized(worker)
				return nil
			}})
		},
	})
}
