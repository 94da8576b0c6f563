# multiprocessing.BoundedSemaphore as a lock.
class Peer:
    def lock(self):
        return multiprocessing.BoundedSemaphore(1)


if __name__ == "__main__":
    run()
