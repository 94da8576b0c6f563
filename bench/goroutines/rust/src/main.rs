//! Answers one question about one system and prints the values as a JSON array:
//!
//! pools SYSTEM QUESTION WORKERS SUBMITTERS TASKS WORK_NS PAUSE_NS TIME_NS IN_FLIGHT SAMPLE_OF WARM_NS
//!
//! The questions, and how work is counted, are those of the Go program that calls it.

use rayon::prelude::*;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Barrier;
use std::time::{Duration, Instant};

struct Params {
    workers: usize,
    submitters: usize,
    tasks: usize,
    work: Duration,
    pause: Duration,
    time: Duration,
    in_flight: usize,
    sample_of: usize,
}

/// Work that a compiler does not leave out.
fn turn(n: u64) {
    let mut x = n | 1;
    for _ in 0..n {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    black_box(x);
}

/// How many turns take a time; the fastest of many tries tells.
fn turns_for(work: Duration) -> u64 {
    if work.is_zero() {
        return 0;
    }
    const SAMPLE: u64 = 10_000;
    let mut fastest = Duration::MAX;
    for _ in 0..50 {
        let began = Instant::now();
        turn(black_box(SAMPLE));
        fastest = fastest.min(began.elapsed());
    }
    (SAMPLE as f64 * work.as_nanos() as f64 / fastest.as_nanos() as f64) as u64
}

/// Calls a round with more and more tasks; returns the nanoseconds of one.
fn grow(p: &Params, mut round: impl FnMut(usize) -> Duration) -> f64 {
    const MOST: usize = 4_000_000;
    let mut n = 1024.max(10 * p.workers);
    round(n); // the threads start
    loop {
        let took = round(n);
        if took >= p.time * 2 / 3 || n == MOST {
            return took.as_nanos() as f64 / n as f64;
        }
        let factor = (1.1 * p.time.as_nanos() as f64 / took.as_nanos().max(1000) as f64).clamp(1.5, 50.0);
        n = MOST.min((n as f64 * factor) as usize);
    }
}

/// Lets each submitter submit its share of n tasks; returns when that began. The threads
/// are there before.
fn submit(p: &Params, n: usize, some: impl Fn(usize) + Sync) -> Instant {
    if p.submitters == 1 {
        let began = Instant::now();
        some(n);
        return began;
    }
    let (ready, go) = (Barrier::new(p.submitters + 1), Barrier::new(p.submitters + 1));
    std::thread::scope(|threads| {
        for s in 0..p.submitters {
            let (ready, go, some) = (&ready, &go, &some);
            let share = n * (s + 1) / p.submitters - n * s / p.submitters;
            threads.spawn(move || {
                ready.wait();
                go.wait();
                some(share);
            });
        }
        ready.wait();
        let began = Instant::now();
        go.wait();
        began
    })
}

fn rayon_tasks(p: &Params) -> f64 {
    let turns = turns_for(p.work);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(p.workers).build().unwrap();
    grow(p, |n| {
        let counted = AtomicUsize::new(0);
        let expected = AtomicUsize::new(0);
        let (count, expect) = (&counted, &expected);
        let began = pool.in_place_scope(|scope| {
            submit(p, n, |k| {
                expect.fetch_add(k.div_ceil(p.sample_of), Relaxed);
                for i in 0..k {
                    if i % p.sample_of == 0 {
                        scope.spawn(move |_| {
                            turn(turns);
                            count.fetch_add(1, Relaxed);
                        });
                    } else {
                        scope.spawn(move |_| turn(turns));
                    }
                }
            })
        });
        let took = began.elapsed();
        assert_eq!(counted.load(Relaxed), expected.load(Relaxed), "tasks that count themselves");
        took
    })
}

fn rayon_map(p: &Params) -> f64 {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(p.workers).build().unwrap();
    let input: Vec<i64> = (0..p.tasks as i64).collect();
    let twice: fn(i64) -> i64 = black_box(|n| 2 * n);
    let mut times = Vec::new();
    let began = Instant::now();
    loop {
        let start = Instant::now();
        let output: Vec<i64> = pool.install(|| input.par_iter().map(|n| twice(*n)).collect());
        times.push(start.elapsed().as_nanos() as f64 / p.tasks as f64);
        assert_eq!(output.len(), p.tasks);
        assert!(output.iter().enumerate().all(|(i, v)| *v == 2 * i as i64), "an element is wrong");
        if began.elapsed() >= p.time {
            return quantile(&mut times, 0.5);
        }
    }
}

fn runtime(p: &Params) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(p.workers).build().unwrap()
}

fn tokio_results(p: &Params) -> f64 {
    let rt = runtime(p);
    grow(p, |n| {
        let total = AtomicUsize::new(0);
        let began = submit(p, n, |mut left| {
            let mut sum = 0;
            while left > 0 {
                let k = left.min(p.in_flight);
                let handles: Vec<_> = (0..k).map(|_| rt.spawn(async { 1 })).collect();
                sum += rt.block_on(async {
                    let mut sum = 0;
                    for handle in handles {
                        sum += handle.await.unwrap();
                    }
                    sum
                });
                left -= k;
            }
            total.fetch_add(sum, Relaxed);
        });
        let took = began.elapsed();
        assert_eq!(total.load(Relaxed), n, "the sum of the results");
        took
    })
}

fn tokio_round_trip(p: &Params) -> [f64; 2] {
    let rt = runtime(p);
    let mut times = Vec::new();
    let mut one = || {
        if !p.pause.is_zero() {
            std::thread::sleep(p.pause);
        }
        let began = Instant::now();
        let v = rt.block_on(rt.spawn(async { 1 })).unwrap();
        let took = began.elapsed().as_nanos() as f64;
        assert_eq!(v, 1);
        took
    };
    for _ in 0..200 {
        one();
    }
    let began = Instant::now();
    while times.len() < 100 || began.elapsed() < p.time {
        times.push(one());
    }
    [quantile(&mut times, 0.5), quantile(&mut times, 0.99)]
}

fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(q * (values.len() - 1) as f64) as usize]
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |i: usize| args[i].parse::<u64>().expect("a number");
    let p = Params {
        workers: number(3) as usize,
        submitters: number(4) as usize,
        tasks: number(5) as usize,
        work: Duration::from_nanos(number(6)),
        pause: Duration::from_nanos(number(7)),
        time: Duration::from_nanos(number(8)),
        in_flight: number(9) as usize,
        sample_of: number(10) as usize,
    };
    let values = match (args[1].as_str(), args[2].as_str()) {
        ("rayon", "empty-task" | "by-workers" | "by-submitters") => vec![rayon_tasks(&p)],
        ("rayon", "short-tasks") => vec![rayon_tasks(&p) / 1000.0],
        ("rayon", "map-item") => vec![rayon_map(&p)],
        ("tokio", "result-task") => vec![tokio_results(&p)],
        ("tokio", "round-trip") => tokio_round_trip(&p).to_vec(),
        (system, question) => panic!("{system} does not answer {question}"),
    };
    println!("{values:?}");
}
