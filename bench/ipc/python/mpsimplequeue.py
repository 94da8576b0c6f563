# multiprocessing.SimpleQueue, a pipe with a lock at each end.
class Peer:
    many = True

    def channel(self):
        return multiprocessing.SimpleQueue()


if __name__ == "__main__":
    run()
