"""A stand-in for the library: it answers ``/health``, and requests that take as long as their path says.

``POST /v1/chat/completions`` with the body ``SECONDS`` answers after so many seconds.
"""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any


class CommonParams(SimpleNamespace):
    """Takes every attribute."""

    def __init__(self) -> None:
        super().__init__(
            model=SimpleNamespace(),
            cpuparams=SimpleNamespace(),
            cpuparams_batch=SimpleNamespace(),
            sampling=SimpleNamespace(),
        )


class Server:
    """An HTTP server with a count of what runs."""

    def __init__(self, parameters: Any) -> None:
        running = self._running = [0]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                running[0] += 1
                try:
                    time.sleep(float(self.rfile.read(int(self.headers["Content-Length"]))))
                    self._answer()
                finally:
                    running[0] -= 1

            def _answer(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        try:
            server = ThreadingHTTPServer((parameters.hostnames[0], parameters.port), Handler)
        except OSError:
            raise RuntimeError("Failed to init server, please check the input params.") from None
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def handle_metrics(self) -> str:
        """Give what the library gives, as far as it is read."""
        return (
            "# HELP llamacpp:requests_processing Number of requests processing.\n"
            f"llamacpp:requests_processing {self._running[0]}\n"
            "# TYPE llamacpp:requests_deferred gauge\nllamacpp:requests_deferred 0\n"
        )
