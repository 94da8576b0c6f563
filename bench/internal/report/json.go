package report

import (
	"encoding/json"
	"io"

	"github.com/futures-go/futures/bench/internal/harness"
)

// JSON writes results, one line each.
func JSON(w io.Writer, results []harness.Result) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, r := range results {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}
