"""A worker of a process pool, written from PROTOCOL.md alone."""
import os
import select
import struct
import sys
import time


# CBOR, as much of it as is needed.

def encode(v):
    if v is None:
        return b"\xf6"
    if v is True or v is False:
        return b"\xf5" if v else b"\xf4"
    if isinstance(v, int):
        return head(0, v) if v >= 0 else head(1, -1 - v)
    if isinstance(v, float):
        return b"\xfb" + struct.pack(">d", v)
    if isinstance(v, bytes):
        return head(2, len(v)) + v
    if isinstance(v, str):
        return head(3, len(v.encode())) + v.encode()
    if isinstance(v, (list, tuple)):
        return head(4, len(v)) + b"".join(encode(x) for x in v)
    if isinstance(v, dict):
        return head(5, len(v)) + b"".join(encode(k) + encode(x) for k, x in v.items())
    raise TypeError("%s cannot travel" % type(v).__name__)


def head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 1 << 8 * size:
            return bytes([major << 5 | info]) + n.to_bytes(size, "big")
    raise OverflowError(n)


def decode(b):
    v, rest = item(b)
    if rest:
        raise ValueError("%d bytes too many" % len(rest))
    return v


def item(b):
    major, info, b = b[0] >> 5, b[0] & 31, b[1:]
    if major == 7:
        if info in (20, 21, 22):
            return (False, True, None)[info - 20], b
        code, size = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}[info]
        return struct.unpack(code, b[:size])[0], b[size:]
    if info < 24:
        n = info
    else:
        size = 1 << info - 24
        n, b = int.from_bytes(b[:size], "big"), b[size:]
    if major == 0:
        return n, b
    if major == 1:
        return -1 - n, b
    if major == 2:
        return bytes(b[:n]), b[n:]
    if major == 3:
        return bytes(b[:n]).decode(), b[n:]
    if major == 4:
        out = []
        for _ in range(n):
            v, b = item(b)
            out.append(v)
        return out, b
    if major == 5:
        out = {}
        for _ in range(n):
            k, b = item(b)
            out[k], b = item(b)
        return out, b
    return item(b)  # the value of a tag


# Frames.

WELCOME, TASK, CANCEL, RETIRE = 1, 2, 3, 4
HELLO, READY, FAILED, STARTED, RESULT, BYE = 65, 66, 67, 68, 69, 71


def exactly(n):
    parts = []
    while n:
        part = os.read(3, min(n, 1 << 16))
        if not part:
            sys.exit(0)  # the pool is gone
        parts.append(part)
        n -= len(part)
    return b"".join(parts)


def receive():
    length, kind, flags, zero, ident = struct.unpack("<IBBHQ", exactly(16))
    return kind, flags, ident, exactly(length)


def send(kind, flags=0, ident=0, payload=b""):
    b = struct.pack("<IBBHQ", len(payload), kind, flags, 0, ident) + payload
    while b:
        b = b[os.write(4, b):]


# Tasks.

class Cancelled(Exception):
    pass


class Task:
    def __init__(self, ident):
        self.ident = ident

    def check(self):
        """Raises Cancelled once the task's context has ended."""
        while select.select([3], [], [], 0)[0]:
            kind, _, ident, _ = receive()
            if kind == RETIRE:
                global retired
                retired = True
            if kind == CANCEL and ident == self.ident:
                raise Cancelled("cancelled")


def double(task, n):
    return 2 * n


def fail(task, text):
    raise ValueError(text)


def wait(task, _):
    print("waiting")
    sys.stdout.flush()
    while True:
        task.check()
        time.sleep(0.001)


def crash(task, code):
    print("going down", file=sys.stderr)
    sys.stderr.flush()
    os._exit(code)


functions = {"python.double": double, "python.fail": fail, "python.wait": wait, "python.crash": crash}
retired = False


def run(ident, payload):
    timeout, deadline, attempt, context, name = struct.unpack("<QQIII", payload[:28])
    function, argument = payload[28:28 + name].decode(), payload[28 + name + context:]
    send(STARTED, 0, ident)
    try:
        if function not in functions:
            send(RESULT, 6, ident, encode({2: "no function " + function, 4: ["futures.ErrNotRegistered"]}))
            return
        send(RESULT, 0, ident, encode(functions[function](Task(ident), decode(argument))))
    except Cancelled as e:
        send(RESULT, 1, ident, encode({1: "Cancelled", 2: str(e), 4: ["context.Canceled"]}))
    except Exception as e:
        send(RESULT, 1, ident, encode({1: type(e).__name__, 2: str(e)}))


os.set_blocking(3, True)
os.set_blocking(4, True)
send(HELLO, payload=encode({1: 1, 2: os.getpid()}))
kind, _, _, payload = receive()
if kind != WELCOME or decode(payload)[1] != 1:
    sys.exit(91)
send(READY)
while not retired:
    kind, flags, ident, payload = receive()
    if kind == TASK and flags == 0:
        run(ident, payload)
    elif kind == RETIRE:
        break
    elif kind != CANCEL:
        sys.exit(91)
send(BYE)
