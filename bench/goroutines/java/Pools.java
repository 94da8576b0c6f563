import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;

/**
 * Pools answers one question about one executor and prints the values as a JSON array:
 *
 * <p>java Pools EXECUTOR QUESTION WORKERS SUBMITTERS TASKS WORK_NS PAUSE_NS TIME_NS IN_FLIGHT SAMPLE_OF WARM_NS
 *
 * <p>The questions, and how work is counted, are those of the Go program that calls it.
 */
public class Pools {
    static String executor;
    static int workers, submitters, tasks, inFlight, sampleOf;
    static long work, pause, time, warm;

    static ExecutorService open() throws Exception {
        switch (executor) {
            case "forkjoin": return new ForkJoinPool(workers);
            case "fixed": return Executors.newFixedThreadPool(workers);
            case "virtual": // by name, so that older compilers compile this
                return (ExecutorService) Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
            default: throw new IllegalArgumentException(executor);
        }
    }

    static void close(ExecutorService pool) throws Exception {
        pool.shutdown();
        if (!pool.awaitTermination(1, TimeUnit.MINUTES)) throw new IllegalStateException("the pool does not end");
    }

    static long sink;

    /** turn is work that a compiler does not leave out. */
    static void turn(int n) {
        long x = n | 1;
        for (int i = 0; i < n; i++) {
            x ^= x << 13;
            x ^= x >>> 7;
            x ^= x << 17;
        }
        if (x == 0) sink = x; // which never is
    }

    /** turnsFor returns how many turns take a time; the fastest of many tries tells. */
    static int turnsFor(long nanos) {
        if (nanos == 0) return 0;
        final int sample = 10_000;
        long fastest = Long.MAX_VALUE;
        for (int i = 0; i < 2000; i++) {
            long began = System.nanoTime();
            turn(sample);
            fastest = Math.min(fastest, System.nanoTime() - began);
        }
        return (int) (sample * nanos / fastest);
    }

    interface Some { void apply(int n) throws Exception; }

    /** The nanoseconds from the first submission until after has returned. Each submitter submits its share of n tasks. */
    static long timed(int n, Some some, Callable<?> after) throws Exception {
        if (submitters == 1) {
            long began = System.nanoTime();
            some.apply(n);
            after.call();
            return System.nanoTime() - began;
        }
        Thread[] threads = new Thread[submitters];
        Throwable[] failed = new Throwable[1];
        CountDownLatch ready = new CountDownLatch(submitters), go = new CountDownLatch(1);
        for (int s = 0; s < submitters; s++) {
            int share = (int) ((long) n * (s + 1) / submitters - (long) n * s / submitters);
            threads[s] = new Thread(() -> {
                try {
                    ready.countDown();
                    go.await();
                    some.apply(share);
                } catch (Throwable t) {
                    synchronized (failed) { failed[0] = t; }
                }
            });
            threads[s].start();
        }
        ready.await();
        long began = System.nanoTime();
        go.countDown();
        for (Thread t : threads) t.join();
        if (failed[0] != null) throw new IllegalStateException(failed[0]);
        after.call();
        return System.nanoTime() - began;
    }

    interface Round { long run(int n) throws Exception; }

    /** grow calls a round with more and more tasks and prints the time of one, in units of some nanoseconds. */
    static String grow(Round round, double unit) throws Exception {
        final int most = 2_000_000;
        int n = Math.max(1024, 10 * workers);
        round.run(n); // the threads start
        long warmed = System.nanoTime() + warm;
        for (;;) {
            long took = round.run(n);
            boolean enough = took >= time * 2 / 3 || n == most;
            if (enough && System.nanoTime() >= warmed) return "[" + took / unit / n + "]";
            if (!enough) n = (int) Math.min(most, n * Math.max(1.5, Math.min(50, 1.1 * time / Math.max(took, 1000))));
        }
    }

    /** settle returns when everything has run that was given to a pool. */
    static Object settle(ExecutorService pool) throws Exception {
        switch (executor) {
            case "forkjoin":
                if (!((ForkJoinPool) pool).awaitQuiescence(1, TimeUnit.MINUTES))
                    throw new IllegalStateException("the pool does not come to rest");
                return null;
            case "fixed": // first in, first out: what holds all threads at once comes last
                CyclicBarrier all = new CyclicBarrier(workers + 1);
                for (int i = 0; i < workers; i++) pool.submit(() -> all.await());
                all.await();
                return null;
            default:
                close(pool);
                return null;
        }
    }

    /** Threads are there before the clock starts, and end after it, but for virtual ones, of which each task has one. */
    static ExecutorService reopened(ExecutorService pool) throws Exception {
        return pool.isShutdown() ? open() : pool;
    }

    static ExecutorService pool;

    static String forget(double unit) throws Exception {
        int turns = turnsFor(work);
        pool = open();
        String values = grow(n -> {
            AtomicLong counted = new AtomicLong(), expected = new AtomicLong();
            Runnable bare = () -> turn(turns);
            Runnable counting = () -> { turn(turns); counted.incrementAndGet(); };
            pool = reopened(pool);
            long took = timed(n, share -> {
                expected.addAndGet((share + sampleOf - 1) / sampleOf);
                for (int i = 0; i < share; i++) pool.execute(i % sampleOf == 0 ? counting : bare);
            }, () -> settle(pool));
            if (counted.get() != expected.get())
                throw new IllegalStateException("of " + expected + " tasks that count themselves " + counted + " ran");
            return took;
        }, unit);
        close(pool);
        return values;
    }

    static final Callable<Integer> one = () -> 1;

    static String results() throws Exception {
        pool = open();
        String values = grow(n -> {
            AtomicLong sum = new AtomicLong();
            long took = timed(n, share -> {
                long mine = 0;
                Future<?>[] futures = new Future<?>[inFlight];
                while (share > 0) {
                    int k = Math.min(share, inFlight);
                    for (int i = 0; i < k; i++) futures[i] = pool.submit(one);
                    for (int i = 0; i < k; i++) mine += (Integer) futures[i].get();
                    share -= k;
                }
                sum.addAndGet(mine);
            }, () -> null);
            if (sum.get() != n) throw new IllegalStateException("results of " + n + " tasks add up to " + sum);
            return took;
        }, 1);
        close(pool);
        return values;
    }

    static String roundTrip() throws Exception {
        ExecutorService pool = open();
        long[] times = new long[1 << 22];
        int n = 0;
        long end = System.nanoTime() + warm;
        for (boolean warming = true; ; ) {
            if (pause > 0) LockSupport.parkNanos(pause);
            long began = System.nanoTime();
            int v = pool.submit(one).get();
            long now = System.nanoTime();
            if (v != 1) throw new IllegalStateException("a call returned " + v);
            times[n++] = now - began;
            if (now < end && n < times.length || n < 100) continue;
            if (!warming) break;
            warming = false;
            n = 0;
            end = now + time;
        }
        close(pool);
        times = Arrays.copyOf(times, n);
        Arrays.sort(times);
        return "[" + times[n / 2] + "," + times[(int) (n * 0.99)] + "]";
    }

    static String map() throws Exception {
        int[] in = IntStream.range(0, tasks).toArray();
        IntUnaryOperator twice = n -> 2 * n;
        ForkJoinPool pool = new ForkJoinPool(workers);
        double[] perItem = new double[1 << 20];
        int n = 0;
        long end = System.nanoTime() + warm;
        for (boolean warming = true; ; ) {
            long began = System.nanoTime();
            int[] out = pool.submit(() -> Arrays.stream(in).parallel().map(twice).toArray()).get();
            long now = System.nanoTime();
            for (int i = 0; i < out.length; i++)
                if (out[i] != 2 * i) throw new IllegalStateException("element " + i + " became " + out[i]);
            if (out.length != tasks) throw new IllegalStateException(tasks + " elements became " + out.length);
            perItem[n++] = (double) (now - began) / tasks;
            if (now < end && n < perItem.length) continue;
            if (!warming) break;
            warming = false;
            n = 0;
            end = now + time;
        }
        close(pool);
        perItem = Arrays.copyOf(perItem, n);
        Arrays.sort(perItem);
        return "[" + perItem[n / 2] + "]";
    }

    public static void main(String[] args) throws Exception {
        executor = args[0];
        workers = Integer.parseInt(args[2]);
        submitters = Integer.parseInt(args[3]);
        tasks = Integer.parseInt(args[4]);
        work = Long.parseLong(args[5]);
        pause = Long.parseLong(args[6]);
        time = Long.parseLong(args[7]);
        inFlight = Integer.parseInt(args[8]);
        sampleOf = Integer.parseInt(args[9]);
        warm = Long.parseLong(args[10]);
        String values;
        switch (args[1]) {
            case "empty-task": case "by-workers": case "by-submitters": values = forget(1); break;
            case "short-tasks": values = forget(1000); break;
            case "result-task": values = results(); break;
            case "round-trip": values = roundTrip(); break;
            case "map-item": values = map(); break;
            default: throw new IllegalArgumentException(args[1]);
        }
        System.out.println(values);
        System.exit(0); // some pools keep the process
    }
}
