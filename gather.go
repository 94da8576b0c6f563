package futures

import "context"

// Gather waits for all futures and returns their values in the order given. At
// the first one that fails or is cancelled it cancels the others and returns
// that error, without waiting for those that are still running; Wait can do
// that. If ctx ends first the error is a *WaitError, and nothing is cancelled.
func Gather[T any](ctx context.Context, fs ...*Future[T]) ([]T, error) {
	set := distinct("futures.Gather", fs)
	for f := range AsCompleted(ctx, set...) {
		_, err := f.Result(ctx)
		if err == nil {
			continue
		}
		if wait, ok := err.(*WaitError); ok {
			wait.Total = len(set)
			wait.Unfinished = len(unresolved(set))
			return nil, wait
		}
		for _, other := range set {
			other.Cancel()
		}
		return nil, err
	}
	values := make([]T, len(fs))
	for i, f := range fs {
		values[i] = f.value
	}
	return values, nil
}
