# multiprocessing.Pipe with send_bytes and recv_bytes, which do not pickle.
class Channel:
    def __init__(self):
        reader, writer = multiprocessing.Pipe(duplex=False)
        self.ends = reader, writer
        self.put, self.get = writer.send_bytes, reader.recv_bytes


class Peer:
    def channel(self):
        return Channel()


if __name__ == "__main__":
    run()
