# dask.distributed on this machine: a LocalCluster of processes with one thread each.
# Functions count as impure, so that no result is remembered.
import logging

from distributed import Client, LocalCluster


class Peer:
    megabytes = 150
    seconds = 1

    def __init__(self, workers):
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        self.workers = workers
        self.cluster = LocalCluster(n_workers=workers, threads_per_worker=1, processes=True,
                                    dashboard_address=None, silence_logs=logging.CRITICAL)
        self.client = Client(self.cluster)

    def submit(self, fn, *args):
        return self.client.submit(fn, *args, pure=False)

    def map(self, fn, numbers):
        return self.client.gather(self.client.map(fn, numbers, pure=False, batch_size=1000))

    def close(self):
        self.client.close()
        self.cluster.close()


if __name__ == "__main__":
    run()
