# joblib.Parallel, which has maps and no futures. Its workers are loky's, and are kept
# from call to call.
import joblib
from joblib.externals import loky


class Peer:
    megabytes = 30
    seconds = 0.15

    def __init__(self, workers):
        self.parallel = joblib.Parallel(n_jobs=workers)
        self.parallel.__enter__()

    def map(self, fn, numbers):
        return self.parallel(joblib.delayed(fn)(n) for n in numbers)

    def close(self):
        self.parallel.__exit__(None, None, None)
        loky.get_reusable_executor().shutdown(wait=True)


if __name__ == "__main__":
    run()
