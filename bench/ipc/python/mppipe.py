# multiprocessing.Pipe with send and recv, which pickle. Memory has no handle here: it
# travels by value.
class Channel:
    def __init__(self):
        reader, writer = multiprocessing.Pipe(duplex=False)
        self.ends = reader, writer
        self.put, self.get = writer.send, reader.recv


class Value:
    def __init__(self, data):
        self.data = data

    def close(self):
        self.data = None


class Peer:
    def channel(self):
        return Channel()

    def make(self, data):
        return Value(data)

    def handle(self, thing):
        return thing.data

    def look(self, handle):
        return handle[0], handle[-1], len(handle)


if __name__ == "__main__":
    run()
