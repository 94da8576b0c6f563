//go:build race

package main

import "context"

// loseSome only tells, because the race detector would rightly end the program.
func loseSome(context.Context) (string, error) {
	return "without: not in a build with -race, which finds the mistake instead", nil
}
