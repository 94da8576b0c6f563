package harness

import "slices"

// A Spread is the least and the most of some values.
type Spread struct {
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
}

// summary returns the median of values, of which there is at least one, and their
// spread.
func summary(values []float64) (median float64, spread Spread) {
	sorted := slices.Sorted(slices.Values(values))
	return Quantile(sorted, 0.5), Spread{sorted[0], sorted[len(sorted)-1]}
}

// Quantile returns the value below which the part q of sorted values lies, with
// neighbours weighed where it falls between two. There is at least one value.
func Quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	part := at - float64(below)
	return sorted[below]*(1-part) + sorted[below+1]*part
}
