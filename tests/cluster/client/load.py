"""Asks a server without a pause until standard input ends: ``load.py URL``; runs in a pod, with Python alone.

It asks on a new connection each time and, at the same time, on one that it keeps as long as the server does.
Prints counts; the exit status is 1 when a request failed.
"""

import http.client
import json
import sys
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

BODY = json.dumps({"texts": ["The cat sits on the mat."]}).encode()
HEADERS = {"Content-Type": "application/json"}
PAUSE_SECONDS = 0.02


class Client(threading.Thread):
    """One client; `failures` and `slowest` (in seconds) are complete when it has ended."""

    def __init__(self, host: str, *, keeps: bool, stop: threading.Event) -> None:
        super().__init__()
        self.count = 0
        self.slowest = 0.0
        self.failures: list[str] = []
        self._host = host
        self._keeps = keeps
        self._stop_asked = stop

    def run(self) -> None:
        """Ask until told to stop."""
        connections = self._connections()
        connection = next(connections)
        while not self._stop_asked.wait(PAUSE_SECONDS):
            start = time.monotonic()
            try:
                connection.request("POST", "/predict", BODY, HEADERS)
                response = connection.getresponse()
                response.read()
                if response.status != http.client.OK:
                    self.failures.append(f"HTTP {response.status}")
                closing = response.will_close
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                closing = True
            self.count += 1
            self.slowest = max(self.slowest, time.monotonic() - start)
            if closing or not self._keeps:
                connection = next(connections)

    def _connections(self) -> Iterator[http.client.HTTPConnection]:
        while True:
            connection = http.client.HTTPConnection(self._host, timeout=10)
            yield connection
            connection.close()


def main(url: str) -> int:
    """Ask until standard input ends; give the exit status."""
    stop = threading.Event()
    clients = [Client(urlsplit(url).netloc, keeps=keeps, stop=stop) for keeps in (False, True)]
    for client in clients:
        client.start()
    print("asking", flush=True)
    sys.stdin.read()
    stop.set()
    for client in clients:
        client.join()
    failures = [failure for client in clients for failure in client.failures]
    count, slowest = sum(client.count for client in clients), max(client.slowest for client in clients)
    print(f"{count} requests, {len(failures)} failed, the slowest took {slowest * 1000:.0f} ms")
    for failure in failures[:5]:
        print(f"  {failure}")
    return 1 if failures or not count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
