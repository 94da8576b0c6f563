package ipc_test

import (
	"slices"
	"testing"
	"time"
)

// reportSamples reports the median and the 99th percentile.
func reportSamples(b *testing.B, samples []time.Duration) {
	b.Helper()
	slices.Sort(samples)
	b.ReportMetric(float64(samples[len(samples)/2].Nanoseconds()), "ns-median")
	b.ReportMetric(float64(samples[len(samples)*99/100].Nanoseconds()), "ns-p99")
	b.ReportMetric(0, "ns/op")
}
