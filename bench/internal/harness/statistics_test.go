package harness

import "testing"

func TestSummary(t *testing.T) {
	for _, test := range []struct {
		values []float64
		median float64
		spread Spread
	}{
		{[]float64{7}, 7, Spread{7, 7}},
		{[]float64{3, 1}, 2, Spread{1, 3}},
		{[]float64{9, 1, 4}, 4, Spread{1, 9}},
		{[]float64{4, 1, 100, 2}, 3, Spread{1, 100}},
	} {
		median, spread := summary(test.values)
		if median != test.median || spread != test.spread {
			t.Errorf("%v: got %v in %v", test.values, median, spread)
		}
	}
	values := []float64{2, 1}
	if summary(values); values[0] != 2 {
		t.Error("the values are sorted in place")
	}
}

func TestQuantile(t *testing.T) {
	hundred := make([]float64, 101)
	for i := range hundred {
		hundred[i] = float64(i)
	}
	for q, want := range map[float64]float64{0: 0, 0.5: 50, 0.99: 99, 1: 100} {
		if got := Quantile(hundred, q); got != want {
			t.Errorf("%v of 0..100 is %v, want %v", q, got, want)
		}
	}
	if got := Quantile([]float64{10, 20}, 0.25); got != 12.5 {
		t.Errorf("between neighbours: %v", got)
	}
}
