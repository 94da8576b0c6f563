# multiprocessing.Pool: apply_async for one task, map with the chunks that it chooses.
import multiprocessing


class Future:
    def __init__(self, result):
        self.result = result.get


class Peer:
    megabytes = 20
    seconds = 0.005

    def __init__(self, workers):
        self.pool = multiprocessing.Pool(workers)

    def submit(self, fn, *args):
        return Future(self.pool.apply_async(fn, args))

    def map(self, fn, numbers):
        return self.pool.map(fn, numbers)

    def close(self):
        self.pool.close()
        self.pool.join()

    def kill(self):
        self.pool.terminate()
        self.pool.join()


if __name__ == "__main__":
    run()
