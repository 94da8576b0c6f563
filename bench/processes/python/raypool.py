# Ray on this machine: remote functions, each result by ray.get. A task whose worker
# died is not run again, so that it can be seen how long it takes to be told. Maps are
# those of ray.util.multiprocessing.Pool.
import logging

import ray
from ray.util.multiprocessing import Pool


class Future:
    def __init__(self, ref):
        self.ref = ref

    def result(self, timeout=None):
        return ray.get(self.ref, timeout=timeout)


class Peer:
    megabytes = 150
    seconds = 1

    def __init__(self, workers):
        self.workers = workers
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False,
                 logging_level=logging.CRITICAL)
        self.remote = {}
        self.pool = None

    def submit(self, fn, *args):
        if fn not in self.remote:
            self.remote[fn] = ray.remote(max_retries=0)(fn)
        return Future(self.remote[fn].remote(*args))

    def map(self, fn, numbers):
        self.pool = self.pool or Pool(self.workers)
        return self.pool.map(fn, numbers)

    def close(self):
        ray.shutdown()


if __name__ == "__main__":
    run()
