# loky.get_reusable_executor, which is what loky recommends.
import loky


class Peer:
    megabytes = 30
    seconds = 0.15

    def __init__(self, workers):
        self.workers = workers
        self.pool = loky.get_reusable_executor(max_workers=workers)
        self.submit = self.pool.submit

    def map(self, fn, numbers):
        return list(self.pool.map(fn, numbers, chunksize=max(1, len(numbers) // (4 * self.workers))))

    def close(self):
        self.pool.shutdown(wait=True)


if __name__ == "__main__":
    run()
