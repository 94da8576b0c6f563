# pebble.ProcessPool: schedule for one task, map with chunks as for the others.
from pebble import ProcessPool


class Peer:
    megabytes = 20
    seconds = 0.005

    def __init__(self, workers):
        self.workers = workers
        self.pool = ProcessPool(max_workers=workers)

    def submit(self, fn, *args):
        return self.pool.schedule(fn, args=args)

    def map(self, fn, numbers):
        chunk = max(1, len(numbers) // (4 * self.workers))
        return list(self.pool.map(fn, numbers, chunksize=chunk).result())

    def close(self):
        self.pool.close()
        self.pool.join()

    def kill(self):
        self.pool.stop()
        self.pool.join()


if __name__ == "__main__":
    run()
