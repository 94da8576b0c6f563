# What multiprocessing offers first for each purpose: Queue, Lock, Value, and
# shared_memory.
from multiprocessing import shared_memory


class Counter:
    def __init__(self):
        self.shared = multiprocessing.Value("q", 0)

    def add(self):
        with self.shared.get_lock():
            self.shared.value += 1

    @property
    def value(self):
        return self.shared.value


class Memory:
    def __init__(self, data):
        self.memory = shared_memory.SharedMemory(create=True, size=len(data))
        self.memory.buf[:len(data)] = data
        self.handle = self.memory.name, len(data)

    def close(self):
        self.memory.close()
        self.memory.unlink()


class Peer:
    many = True

    def channel(self):
        return multiprocessing.Queue()

    def lock(self):
        return multiprocessing.Lock()

    def counter(self):
        return Counter()

    def make(self, data):
        return Memory(data)

    def handle(self, thing):
        return thing.handle

    def look(self, handle):
        name, size = handle
        memory = shared_memory.SharedMemory(name)
        got = memory.buf[0], memory.buf[size - 1], size
        memory.close()
        return got


if __name__ == "__main__":
    run()
