// Package gopool runs futures on a bounded set of goroutines of this process.
//
//	pool := gopool.New(gopool.Options{Workers: 3})
//	defer pool.Close()
//	f := futures.Submit(ctx, pool, func(ctx context.Context) (Page, error) { return fetch(ctx, url) })
//	page, err := f.Result(ctx)
//
// Python users know it as concurrent.futures.ThreadPoolExecutor.
//
// # Workers and slots
//
// A pool has as many slots as Options.Workers says. A worker is a goroutine that
// holds a slot while it runs a task or looks for one:
//
//	                   found a task
//	start -> searching ------------> busy <----------------------------+
//	            ^  |                  | |  waits for another future    |
//	            |  | nothing found    | +-----------> waiting (no slot)-+
//	   woken up |  v                  |                 a slot is free again
//	           idle <-----------------+ nothing queued
//	            |
//	            v  closed and nothing can come
//	           gone
//
// Workers are started when a task comes and no worker is free, and stay until
// Close. A task that waits for a future with its own context gives its slot to
// another worker, which is started if need be, so that there can be more
// goroutines than slots but never more running tasks.
//
// # Guarantees
//
// G1: never more than Workers tasks run at the same time.
//
// G2: the worker that pops a task owns it, and nobody else runs it.
//
// G3: while a task is queued and a slot is free, some worker is searching or on
// its way, so no task waits behind another one while a worker is idle. Whoever
// makes a task visible looks for a free slot afterwards, and whoever frees a slot
// looks for a task afterwards.
//
// G4: tasks start in the order of their priority, and those of equal priority in
// the order in which they were accepted.
//
// G5: a worker counts as free before the future of its task is done, so that
// tasks that are submitted one after another's result share one worker.
//
// G6: no goroutine exists before the first task and none after Close.
//
// Lock order: Pool.mu, then the queue's.
//
// # Cost
//
// A queued task takes about 120 bytes. A task costs one allocation. What the
// pool cannot do is stop a function that ignores its context: a goroutine cannot
// be killed, so such a task keeps its slot, and Close waits for it. Package
// procpool runs tasks in processes, which can.
package gopool
