# concurrent.futures.ProcessPoolExecutor, as its documentation shows it. Map has the
# chunk size that multiprocessing.Pool chooses, since the documentation advises a
# large one for long iterables.
from concurrent.futures import ProcessPoolExecutor


class Peer:
    megabytes = 20
    seconds = 0.005

    def __init__(self, workers):
        self.workers = workers
        self.pool = ProcessPoolExecutor(max_workers=workers)
        self.submit = self.pool.submit

    def map(self, fn, numbers):
        return list(self.pool.map(fn, numbers, chunksize=max(1, len(numbers) // (4 * self.workers))))

    def close(self):
        self.pool.shutdown()


if __name__ == "__main__":
    run()
