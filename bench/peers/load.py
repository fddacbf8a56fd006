"""Clients that write as fast as they are answered, in a process of their own: `load.py PORT CLIENTS SECONDS`.

Each has one connection and one request, made beforehand, that it sends again as soon as it is answered. Nothing else is
done here, so that it is the server that is measured. Prints one JSON object: how many were answered, the seconds that
it took, the median and the 95th percentile of their waits in ms, and the CPU seconds of this process.
"""

import json
import selectors
import socket
import sys
import time
import uuid

NOTE = {"title": "A day in November", "text": "It rained all day. " * 15, "stars": 4}


def request(number: int) -> bytes:
    """One person's note."""
    body = json.dumps(NOTE).encode()
    head = f"POST /v1/bench/notes HTTP/1.1\r\nhost: localhost\r\nuser-id: {uuid.UUID(int=number + 1)}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Person:
    """One connection."""

    def __init__(self, port: int, number: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request, self._answer, self._begun = request(number), b"", 0.0

    def send(self) -> None:
        self._begun = time.perf_counter()
        self.socket.sendall(self._request)

    def receive(self) -> float | None:
        """The seconds since the request, once the answer is whole. RuntimeError for any other than 201."""
        piece = self.socket.recv(65536)
        self._answer += piece
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if piece and not found:
            return None
        if not head.startswith(b"HTTP/1.1 201"):
            raise RuntimeError(f"refused: {self._answer[:500]!r}")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return None
        self._answer = b""
        return time.perf_counter() - self._begun


def run(port: int, clients: int, seconds: float) -> dict[str, float]:
    people = [Person(port, number) for number in range(clients)]
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
    return {"answered": len(took), "seconds": ended - begun, "p50": p50, "p95": p95, "cpu": cpu}


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
