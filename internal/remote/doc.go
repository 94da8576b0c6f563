// Package remote is what executors whose workers are other processes have in common: a
// record of each function that they were asked to run, counts of outcomes, what an error
// that came as bytes means, the jobs whose time has not come, and how the end of a submitter's
// context reaches its tasks.
//
// RE1: a context that ends reaches each of its unfinished tasks once, and all of them in one
// call, so that their executor can deal with those that wait before those that run.
//
// Lock order: none of the locks here is held while another one is taken or code of an
// executor runs, but for the functions of a Functions, which are called with its lock held.
package remote
