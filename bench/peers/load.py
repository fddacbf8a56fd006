"""Clients that ask as fast as they are answered, in a process of their own: `load.py PORT CLIENTS SECONDS STATUS`.

Each has one connection and requests made beforehand, of which it sends the next as soon as the last is answered.
Nothing else is done here, so that it is the server that is measured. The requests come by standard input, one JSON list
of texts; the clients begin at places of their own in it. Prints one JSON object: how many were answered, the seconds
that it took, the median and the 95th percentile of their waits in ms, the bytes of an answer, and the CPU seconds of
this process.
"""

import json
import selectors
import socket
import sys
import time


class Client:
    """One connection. requests: what it sends, again and again."""

    def __init__(self, port: int, requests: list[bytes], status: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests, self._status, self._sent = requests, b"HTTP/1.1 " + status, 0
        self._answer, self._wanted, self._begun = bytearray(), 0, 0.0

    def send(self) -> None:
        self._begun = time.perf_counter()
        self.socket.sendall(self._requests[self._sent % len(self._requests)])
        self._sent += 1

    def receive(self) -> float | None:
        """The seconds since the request, once the answer is whole. RuntimeError for one of another status."""
        piece = self.socket.recv(262144)
        self._answer += piece
        if not self._wanted:
            end = self._answer.find(b"\r\n\r\n")
            if piece and end < 0:
                return None
            if not self._answer.startswith(self._status):
                raise RuntimeError(f"refused: {bytes(self._answer[:500])!r}")
            told = bytes(self._answer[:end]).lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            self._wanted = end + 4 + int(told or 0)
        if len(self._answer) < self._wanted:
            if not piece:
                raise RuntimeError("the server closed the connection within an answer")
            return None
        self._answer, self._wanted, self.size = bytearray(), 0, self._wanted
        return time.perf_counter() - self._begun


def run(port: int, clients: int, seconds: float, status: str, requests: list[bytes]) -> dict[str, float]:
    starts = [len(requests) * number // clients for number in range(clients)]
    people = [Client(port, requests[start:] + requests[:start], status.encode()) for start in starts]
    took: list[float] = []
    with selectors.EpollSelector() as ready:
        for person in people:
            ready.register(person.socket, selectors.EVENT_READ, person)
        begun, cpu = time.perf_counter(), time.process_time()
        for person in people:
            person.send()
        open_ones = clients
        while open_ones:
            for key, _ in ready.select():
                waited = key.data.receive()
                if waited is None:
                    continue
                took.append(waited)
                if time.perf_counter() - begun < seconds:
                    key.data.send()
                else:
                    open_ones -= 1
        ended, cpu = time.perf_counter(), time.process_time() - cpu
    for person in people:
        person.socket.close()
    took.sort()
    p50, p95 = (took[round(part * (len(took) - 1))] * 1000 for part in (0.5, 0.95))
    return {
        "answered": len(took),
        "seconds": ended - begun,
        "p50": p50,
        "p95": p95,
        "size": people[0].size,
        "cpu": cpu,
    }


if __name__ == "__main__":
    asked = [text.encode() for text in json.load(sys.stdin)]
    print(json.dumps(run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], asked)))
