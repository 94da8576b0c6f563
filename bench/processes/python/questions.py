# What every peer in Python is asked. This text stands before that of the peer, in
# one file: the peer defines a class Peer and ends with
#
#     if __name__ == "__main__":
#         run()
#
# A Peer is a pool of processes:
#
#     Peer(workers)           makes it
#     submit(fn, *args)       returns a future, which has result(timeout); not there
#                             if the peer has maps only
#     map(fn, numbers)        returns the list of fn(number), as fast as the peer can
#     close()                 ends it
#     megabytes               of memory that a worker has, roughly
#     seconds                 of a processor that a worker takes to start, roughly
import collections
import importlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
import traceback

clock = time.perf_counter


# The tasks.

def following(n):
    return n + 1


def echo(b):
    return b


def length(b):
    return len(b)


def total(n):
    s = 0
    for i in range(n):
        s += i
    return s


def nap(milliseconds):
    time.sleep(milliseconds / 1e3)
    return milliseconds


def stall(file):
    """Tells its process in a file and hangs, but only the first time."""
    if os.path.exists(file):
        return 0
    with open(file + ".new", "w") as f:
        f.write(str(os.getpid()))
    os.rename(file + ".new", file)
    time.sleep(120)
    return 0


# What a run may end with.

class Decline(Exception):
    """The peer cannot be asked this."""


class Wrong(Exception):
    """The peer did not do its work."""


def check(got, want):
    if got != want:
        raise Wrong(f"got {got!r:.100}, not {want!r:.100}")


def quantile(values, q):
    """As the function Quantile of the harness, but values need not be sorted."""
    values = sorted(values)
    at = q * (len(values) - 1)
    below = int(at)
    if below + 1 >= len(values):
        return values[-1]
    part = at - below
    return values[below] * (1 - part) + values[below + 1] * part


PATIENCE = 60  # seconds until a result counts as lost


class Opened:
    """A pool whose workers are there."""

    def __init__(self, make, p):
        workers = p.get("workers", 2)
        need, have = workers * make.megabytes, available()
        if need > have * 0.8:
            raise Decline(f"{workers} workers need about {need} MB of memory, there are {have:.0f}")
        enough_time(workers * make.seconds / os.cpu_count(), f"the start of {workers} workers")
        self.peer = make(workers)

    def __enter__(self):
        warm(self.peer, 64)
        return self.peer

    def __exit__(self, *_):
        self.peer.close()


def warm(peer, n):
    """Lets a pool work for the first time."""
    if not hasattr(peer, "submit"):
        check(peer.map(following, range(n)), list(range(1, n + 1)))
        return
    for i, f in enumerate([peer.submit(following, i) for i in range(n)]):
        check(f.result(PATIENCE), i + 1)


def available():
    """The megabytes of memory that are to be had."""
    try:
        with open("/proc/meminfo") as f:
            for line in f:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return float("inf")


# The questions.

def round_trip(make, p):
    with Opened(make, p) as peer:
        times, n = [], 0
        began = clock()
        while n < 50 or clock() - began < p["time"]:
            start = clock()
            v = peer.submit(following, n).result(PATIENCE)
            times.append(clock() - start)
            n += 1
            check(v, n)
    times = times[len(times) // 5:]  # the beginning is to warm up
    return [quantile(times, 0.5) * 1e6, quantile(times, 0.99) * 1e6]


def calls(make, p):
    """Tasks a second from threads that wait for each."""
    counts, failures = [0] * p["submitters"], []
    began = threading.Event()
    over = threading.Event()

    def submitter(peer, i):
        began.wait()
        try:
            while not over.is_set():
                n = counts[i]
                check(peer.submit(following, n).result(PATIENCE), n + 1)
                counts[i] = n + 1
        except BaseException as e:
            failures.append(e)

    with Opened(make, p) as peer:
        threads = [threading.Thread(target=submitter, args=(peer, i)) for i in range(p["submitters"])]
        for t in threads:
            t.start()
        start = clock()
        began.set()
        time.sleep(p["time"])
        over.set()
        for t in threads:
            t.join()
        took = clock() - start
    if failures:
        raise failures[0]
    return [sum(counts) / took]


def stream(peer, p, fn, arg, want):
    """Tasks a second with so many in flight."""
    window, n, done = collections.deque(), 0, 0
    began = clock()

    def settle():
        i, f = window.popleft()
        got = f.result(PATIENCE)
        check(len(got) if fn is echo else got, want(i))
        if fn is echo and i % 16 == 0:
            check(got, arg(i))

    while n < p["inFlight"] or clock() - began < p["time"]:
        if len(window) == p["inFlight"]:
            settle()
            done += 1
        window.append((n, peer.submit(fn, arg(n))))
        n += 1
    while window:
        settle()
        done += 1
    check(done, n)
    return [done / (clock() - began)]


def pipelined(make, p):
    with Opened(make, p) as peer:
        return stream(peer, p, following, lambda i: i, lambda i: i + 1)


def echoes(make, p):
    payload = os.urandom(p["payload"])
    with Opened(make, p) as peer:
        return stream(peer, p, echo, lambda i: payload, lambda i: len(payload))


def map_item(make, p):
    n = p["tasks"]
    want = list(range(1, n + 1))
    with Opened(make, p) as peer:
        start = clock()
        check(len(peer.map(following, range(1000))), 1000)
        enough_time((clock() - start) * n / 1000 / 10, f"a map of {n} items")
        times = []
        began = clock()
        while not times or clock() - began < p["time"]:
            start = clock()
            got = peer.map(following, range(n))
            times.append(clock() - start)
            if got != want:
                raise Wrong(f"{n} items became {len(got)} others")
    return [quantile(times, 0.5) / n * 1e9]


def enough_time(seconds, what):
    if seconds > 20:
        raise Decline(f"{what} would take about {seconds:.0f} s")


def argument(make, p):
    """Microseconds of one call with an argument of bytes."""
    payload = os.urandom(p["payload"])
    with Opened(make, p) as peer:
        check(peer.submit(length, payload).result(PATIENCE), len(payload))
        times = []
        began = clock()
        while not times or clock() - began < p["time"]:
            start = clock()
            got = peer.submit(length, payload).result(PATIENCE)
            times.append(clock() - start)
            check(got, len(payload))
    return [quantile(times, 0.5) * 1e6]


def cold_start(make, p):
    times = []
    began = clock()
    while not times or clock() - began < p["time"]:
        start = clock()
        peer = make(p["workers"])
        warm(peer, 1)
        times.append(clock() - start)
        peer.close()
    return [quantile(times, 0.5) * 1e3]


class Death:
    """A pool of one worker, which hangs in a task, and tasks behind that."""

    def __init__(self, make, p):
        self.make = make
        self.peer = make(1)
        check(self.peer.submit(following, 1).result(PATIENCE), 2)
        self.folder = tempfile.TemporaryDirectory()
        file = os.path.join(self.folder.name, "pid")
        self.victim = self.peer.submit(stall, file)
        self.queued = [self.peer.submit(following, i) for i in range(p.get("tasks", 0))]
        while not os.path.exists(file):
            time.sleep(0.001)
        with open(file) as f:
            self.pid = int(f.read())

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        return clock()

    def close(self):
        getattr(self.peer, "kill", self.peer.close)()
        self.folder.cleanup()


def notice(make, p):
    """Milliseconds until the future of a killed worker's task fails."""
    d = Death(make, p)
    patience = 0.5 if p.get("quick") else 5
    start = d.kill()
    try:
        d.victim.result(patience)
        values = "the task is run again"
    except BaseException as e:
        took = clock() - start
        values = [took * 1e3]
        if took >= patience:
            values = f"the future of the task is not settled within {patience} s"
        else:
            print(f"{type(e).__name__}: {e}", file=sys.stderr)
    return finish(d, values)


def recovery(make, p):
    """Milliseconds until the next result, and the tasks that were lost."""
    d = Death(make, p)
    start = d.kill()
    lost, next = 0, None
    for i, f in enumerate(d.queued):
        try:
            check(f.result(PATIENCE), i + 1)
            next = next or clock() - start
        except Wrong:
            raise
        except BaseException:
            lost += 1
    if next is None:
        another = d.make(1)
        check(another.submit(following, 1).result(PATIENCE), 2)
        next = clock() - start
        another.close()
    try:
        d.victim.result(0.5)
    except BaseException:
        lost += 1
    return finish(d, [next * 1e3, lost])


def finish(d, values):
    """Ends a pool that has lost a worker, which not every one survives."""
    closing = threading.Thread(target=d.close, daemon=True)
    closing.start()
    closing.join(5)
    if closing.is_alive():
        print(json.dumps(values), flush=True)
        os._exit(0)
    return values


def sums(make, p):
    """How many times faster some sums are than one after the other."""
    n = 1000
    while True:
        start = clock()
        want = total(n)
        one = clock() - start
        if one > p["time"] / 4:
            break
        n *= 2
    ratios = []
    with Opened(make, p) as peer:
        for _ in range(1 if p.get("quick") else 3):
            start = clock()
            for _ in range(8):
                check(total(n), want)
            serial = clock() - start
            start = clock()
            check(peer.map(total, [n] * 8), [want] * 8)
            ratios.append(serial / (clock() - start))
    return [quantile(ratios, 0.5)]


def queued(make, p):
    """Microseconds a task if all are submitted before the first result is read."""
    n = p["tasks"]
    with Opened(make, p) as peer:
        some = min(n, 1000)
        start = clock()
        for i, f in enumerate([peer.submit(following, i) for i in range(some)]):
            check(f.result(PATIENCE), i + 1)
        enough_time((clock() - start) * n / some, f"{n} tasks")
        start = clock()
        fs = [peer.submit(following, i) for i in range(n)]
        check(sum(f.result(PATIENCE) for f in fs), n * (n + 1) // 2)
        return [(clock() - start) / n * 1e6]


def short_task(make, p):
    """Milliseconds of a short task while long ones run and a worker is idle."""
    over = threading.Event()
    failures = []

    def long_ones(peer):
        try:
            while not over.is_set():
                check(peer.submit(nap, 20).result(PATIENCE), 20)
        except BaseException as e:
            failures.append(e)

    times = []
    with Opened(make, p) as peer:
        t = threading.Thread(target=long_ones, args=(peer,))
        t.start()
        began = clock()
        while len(times) < 30 or clock() - began < p["time"]:
            time.sleep(0.001)
            start = clock()
            v = peer.submit(following, 1).result(PATIENCE)
            times.append(clock() - start)
            check(v, 2)
        over.set()
        t.join()
    if failures:
        raise failures[0]
    return [quantile(times, 0.5) * 1e3, quantile(times, 0.99) * 1e3]


def descendants():
    """The processes below this one."""
    found = []
    of = [os.getpid()]
    while of:
        pid = of.pop()
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as f:
                    of += (new := [int(word) for word in f.read().split()])
                    found += new
        except FileNotFoundError:
            pass
    return found


def private_memory(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return sum(int(line.split()[1]) << 10 for line in f if line.startswith("Private_"))


def processor_time(pid):
    """Nanoseconds."""
    spent = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as f:
            spent += int(f.read().split()[0])
    return spent


def idle(make, p):
    """The memory of the processes of an idle pool, for each worker, and the time that
    they and this process take."""
    if not os.path.exists("/proc/self/smaps_rollup"):
        raise Decline("asked on Linux only")
    with Opened(make, p) as peer:
        # Some start workers when they are needed.
        for _ in range(20):
            if len(descendants()) >= p["workers"] or not hasattr(peer, "submit"):
                break
            for f in [peer.submit(nap, 200) for _ in range(p["workers"])]:
                check(f.result(PATIENCE), 200)
        time.sleep(max(p["time"], 0.1))  # what is still to be done is done
        pids = descendants()
        if len(pids) < p["workers"]:
            raise Wrong(f"{p['workers']} workers are {len(pids)} processes")
        before = sum(map(processor_time, pids + [os.getpid()]))
        start = clock()
        time.sleep(5 * p["time"])
        took = clock() - start
        spent = sum(map(processor_time, [os.getpid()] + pids)) - before
        memory = sum(map(private_memory, pids))
    return [memory / p["workers"] / (1 << 20), spent / 1e6 / took]


def cancel(make, p):
    """Nanoseconds to cancel a task that is queued."""
    n = p["tasks"]
    with Opened(make, p) as peer:
        busy = peer.submit(nap, 200)
        fs = [peer.submit(following, i) for i in range(n)]
        start = clock()
        for f in reversed(fs):
            f.cancel()
        took = clock() - start
        cancelled = sum(1 for f in fs if f.cancelled())
        # Some are in the hands of a worker, beyond recall.
        if cancelled < n - 10:
            raise Wrong(f"{cancelled} of {n} tasks are cancelled")
        check(busy.result(PATIENCE), 200)
        check(peer.submit(following, 1).result(PATIENCE), 2)
    return [took / n * 1e9]


ANSWERS = {
    "process-round-trip": round_trip,
    "process-calls": calls,
    "process-pipelined": pipelined,
    "process-map": map_item,
    "process-echo": echoes,
    "process-argument": argument,
    "process-cold-start": cold_start,
    "process-notice": notice,
    "process-recovery": recovery,
    "process-sums": sums,
    "process-short-task": short_task,
    "process-idle": idle,
    "process-cancel": cancel,
    "process-by-workers": pipelined,
    "process-by-queued": queued,
    "process-by-submitters": calls,
}


def run():
    # The functions are those of a module, as in any program of more than one file:
    # what __main__ defines some peers would send along with each task.
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    importlib.import_module(name).answer()


def answer():
    question, p = sys.argv[1], json.loads(sys.argv[2])
    p["time"] /= 1e9
    try:
        values = ANSWERS[question](Peer, p)  # noqa: F821, the peer's
    except Decline as e:
        values = str(e)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # what hangs in a worker would be waited for
    print(json.dumps(values), flush=True)
