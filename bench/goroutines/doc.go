// Package goroutines asks pools of goroutines, and what stands in for one, what a
// task costs. Each system is one idiom of a library: where it has one without and
// one with results, those are two systems.
package goroutines
