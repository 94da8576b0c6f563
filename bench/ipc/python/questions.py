# What every peer in Python is asked. This text stands before that of the peer, in
# one file: the peer defines a class Peer and ends with
#
#     if __name__ == "__main__":
#         run()
#
# A Peer has what its questions need:
#
#     channel()              makes something with put(bytes) and get(), one way
#     many = True            several processes may have each end of it
#     lock()                 makes something with acquire() and release()
#     counter()              makes something with add() and a value
#     make(data)             puts bytes into shared memory: an object with close()
#     handle(object)         what travels of it
#     look(handle)           returns the first and the last byte and their number
import importlib
import json
import multiprocessing
import os
import sys
import time
import traceback

clock = time.perf_counter


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


class Other:
    """A process that is told what to call: fn(connection, *args), whose result it
    sends back."""

    def __init__(self, fn, *args):
        self.end, far = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=self.play, args=(far, fn, args), daemon=True)
        self.process.start()
        far.close()

    @staticmethod
    def play(far, fn, args):
        far.send(fn(far, *args))

    def tell(self, order):
        self.end.send(order)

    def answer(self):
        if not self.end.poll(60):
            raise Wrong("no answer within a minute")
        return self.end.recv()

    def join(self):
        self.process.join()


# Messages. Message k of a producer begins with the producer and with k modulo kinds.

def kinds_of(size):
    return max(2, min(256, (4 << 20) // size))


def messages_of(producer, size):
    return [bytes([producer, k]) + b"." * (size - 2) for k in range(kinds_of(size))]


def produce(channel, producer, n, size):
    messages = messages_of(producer, size)
    kinds = len(messages)
    for i in range(n):
        channel.put(messages[i % kinds])


def consume(channel, n, size, alone):
    """Takes n messages and returns how often each was there; alone, in order."""
    if alone:
        messages = messages_of(0, size)
        kinds = len(messages)
        for i in range(n):
            if channel.get() != messages[i % kinds]:
                raise Wrong(f"message {i} is another one")
        return None
    counts = [0] * 512
    for _ in range(n):
        m = channel.get()
        counts[m[0] * 256 + m[1]] += 1
    return counts


def consumer(orders, channel, size, alone):
    while True:
        n = orders.recv()
        if n == 0:
            return None
        orders.send(consume(channel, n, size, alone))


def producer(orders, channel, size):
    while True:
        n = orders.recv()
        if n == 0:
            return None
        produce(channel, 1, n, size)
        orders.send(None)


def messages(peer, p):
    """Messages a second."""
    size, pairs = p["payload"], p["workers"]
    if pairs > 1 and not getattr(peer, "many", False):
        raise Decline("each end is for one process at a time")
    channel = peer.channel()
    takers = [Other(consumer, channel, size, pairs == 1) for _ in range(pairs)]
    makers = [Other(producer, channel, size) for _ in range(pairs - 1)]

    def round_of(n):
        start = clock()
        for o in takers + makers:
            o.tell(n)
        produce(channel, 0, n, size)
        tallies = [o.answer() for o in takers]
        took = clock() - start
        for o in makers:
            o.answer()
        if pairs > 1:
            kinds = kinds_of(size)
            want = [n // kinds + (k < n % kinds) for k in range(kinds)] + [0] * (256 - kinds)
            want *= 2
            check([sum(c) for c in zip(*tallies)], want)
        return took

    n = max(2, min(256, (16 << 20) // size))
    round_of(min(n, 16))
    took = round_of(n)
    while took < p["time"] * 2 / 3:
        n = int(n * max(1.5, min(20, 1.1 * p["time"] / took)))
        took = round_of(n)
    for o in takers + makers:
        o.tell(0)
        o.answer()
        o.join()
    return [n * pairs / took]


def record_of(i):
    return (i, "a name", 1.5)


def record_consumer(orders, channel):
    while True:
        n = orders.recv()
        if n == 0:
            return None
        for i in range(n):
            check(channel.get(), record_of(i))
        orders.send(n)


def structs(peer, p):
    """Small records a second."""
    channel = peer.channel()
    o = Other(record_consumer, channel)

    def round_of(n):
        start = clock()
        o.tell(n)
        for i in range(n):
            channel.put(record_of(i))
        check(o.answer(), n)
        return clock() - start

    round_of(16)
    n = 256
    took = round_of(n)
    while took < p["time"] * 2 / 3:
        n = int(n * max(1.5, min(20, 1.1 * p["time"] / took)))
        took = round_of(n)
    o.tell(0)
    o.answer()
    o.join()
    return [n / took]


def echo(orders, there, back):
    while True:
        m = there.get()
        back.put(m)
        if not m:
            return None


def round_trip(peer, p):
    """Microseconds of a message there and back."""
    there, back = peer.channel(), peer.channel()
    o = Other(echo, there, back)
    messages = messages_of(0, 16)
    times = []
    began = clock()
    while len(times) < 100 or clock() - began < p["time"]:
        m = messages[len(times) % len(messages)]
        start = clock()
        there.put(m)
        got = back.get()
        times.append(clock() - start)
        check(got, m)
    there.put(b"")
    check(back.get(), b"")
    o.answer()
    o.join()
    times = times[len(times) // 5:]
    return [quantile(times, 0.5) * 1e6, quantile(times, 0.99) * 1e6]


# What processes do together, from a time on until another.

CHECKED = 1000  # how often a lock is checked, by each


def during(start, end, batch):
    """Calls batch, which does something 100 times, from a time until another and at
    least once; returns how often that was, and how often a second."""
    while time.time() < start:
        pass
    n = 0
    began = now = time.time()
    while now < end or n == 0:
        batch()
        n += 100
        now = time.time()
    return n, n / (now - began)


def lock_often(orders, lock, plain, start, end):
    acquire, release = lock.acquire, lock.release

    def batch():
        for _ in range(100):
            acquire()
            release()

    done = during(start, end, batch)
    for _ in range(CHECKED):
        acquire()
        plain.value += 1
        release()
    return done


def add_often(orders, counter, start, end):
    add = counter.add

    def batch():
        for _ in range(100):
            add()

    return during(start, end, batch)


def together(p, fn, *args):
    """Lets processes call fn at the same time, and returns what they counted and how
    much that is a second."""
    others = p["workers"] - 1
    start = time.time() + 0.01 + 0.003 * others
    end = start + p["time"]
    os_ = [Other(fn, *args, start, end) for _ in range(others)]
    shares = [fn(None, *args, start, end)] + [o.answer() for o in os_]
    for o in os_:
        o.join()
    return sum(n for n, _ in shares), sum(rate for _, rate in shares)


def lock(peer, p):
    """Nanoseconds from one locking to the next, by whoever it is."""
    plain = multiprocessing.RawValue("q", 0)
    _, rate = together(p, lock_often, peer.lock(), plain)
    check(plain.value, CHECKED * p["workers"])
    return [1e9 / rate]


def add(peer, p):
    counter = peer.counter()
    n, rate = together(p, add_often, counter)
    check(counter.value, n)
    return [1e9 / rate]


# Memory.

def looker(orders, peer):
    while True:
        handle = orders.recv()
        if handle is None:
            return None
        orders.send(peer.look(handle))


def data_of(size):
    return b"\x01" + bytes(size - 2) + b"\x02"


def hand_over(peer, p):
    """Microseconds until another process has looked into an object, the first time
    and later."""
    size = p["payload"]
    data, want = data_of(size), (1, 2, size)
    known = peer.make(data_of(16))  # before the other process, so that they share
    small = peer.handle(known)  # what the first one starts
    o = Other(looker, peer)
    first, later = [], []
    began = clock()
    while not first or clock() - began < p["time"]:
        thing = peer.make(data)
        handle = peer.handle(thing)
        for _ in range(20):  # whoever has slept meanwhile is awake again
            o.tell(small)
            check(o.answer(), (1, 2, 16))
        for times in [first] + [later] * 5:
            start = clock()
            o.tell(handle)
            got = o.answer()
            times.append(clock() - start)
            check(got, want)
        thing.close()
    known.close()
    o.tell(None)
    o.answer()
    o.join()
    return [quantile(first, 0.5) * 1e6, quantile(later, 0.5) * 1e6]


def attach_often(orders, peer, handles):
    start = clock()
    looks = [peer.look(h) for h in handles]
    return (clock() - start) / len(handles), looks


def create(peer, p):
    """Microseconds to make and fill an object, and to open it elsewhere."""
    size = p["payload"]
    data = data_of(size)
    things, making = [], []
    for _ in range(20):
        start = clock()
        things.append(peer.make(data))
        making.append(clock() - start)
    o = Other(attach_often, peer, [peer.handle(t) for t in things])
    attaching, looks = o.answer()
    o.join()
    check(looks, [(1, 2, size)] * len(things))
    for t in things:
        t.close()
    return [quantile(making, 0.5) * 1e6, attaching * 1e6]


ANSWERS = {
    "ipc-messages": messages,
    "ipc-by-size": messages,
    "ipc-structs": structs,
    "ipc-round-trip": round_trip,
    "ipc-lock": lock,
    "ipc-add": add,
    "ipc-handle": hand_over,
    "ipc-create": create,
}


def run():
    # As a module of its own, which other processes can import whatever the way in
    # which they are started.
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    importlib.import_module(name).answer()


def answer():
    question, p = sys.argv[1], json.loads(sys.argv[2])
    p["time"] /= 1e9
    try:
        values = ANSWERS[question](Peer(), p)  # noqa: F821, the peer's
    except Decline as e:
        values = str(e)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # the other processes are daemons, and may hang
    print(json.dumps(values), flush=True)
