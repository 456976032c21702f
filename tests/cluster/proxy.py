"""A TCP proxy on loopback between a client and the API server that can be cut or made to stall."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import yaml

from tests.cluster.kubeconfig import write_kubeconfig

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 1 << 16


class TcpProxy:
    """Carries connections to one address, in a thread of its own; a context manager that ends it.

    Parameters
    ----------
    host, port
        Where connections are carried.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._carriers: set[asyncio.Task[None]] = set()
        self._is_refusing = False
        self._flows = asyncio.Event()
        self.port = 0

    @classmethod
    def before(cls, kubeconfig: Path) -> Self:
        """Give a proxy, not yet running, to the API server of a kubeconfig."""
        server = urlsplit(yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"])
        if server.hostname is None or server.port is None:
            raise ValueError(f"{kubeconfig}: expected a server with host and port, got {server.geturl()}")
        return cls(server.hostname, server.port)

    def kubeconfig(self, original: Path, path: Path) -> Path:
        """Write the kubeconfig that leads through here to `path`, and give that."""
        config = yaml.safe_load(original.read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self.port}"
        write_kubeconfig(path, config)
        return path

    def cut(self) -> None:
        """End all connections and refuse new ones."""
        self._do(self._set(refusing=True, flowing=True, drops=True))

    def stall(self) -> None:
        """Keep all connections, accept new ones, and carry nothing; what waits here is never delivered."""
        self._do(self._set(refusing=False, flowing=False, drops=False))

    def mend(self) -> None:
        """Carry again; the connections from before are ended."""
        self._do(self._set(refusing=False, flowing=True, drops=True))

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        """End all connections and stop listening."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._drop()

    async def _set(self, *, refusing: bool, flowing: bool, drops: bool) -> None:
        self._is_refusing = refusing
        if drops:
            await self._drop()
        if flowing:
            self._flows.set()
        else:
            self._flows.clear()

    async def _drop(self) -> None:
        carriers = list(self._carriers)
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)
        for writer in list(self._writers):
            # Reset, so that nothing that waits in a buffer is delivered after all.
            writer.transport.abort()
        self._writers.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carriers.add(task)
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            if self._is_refusing:
                return
            await self._flows.wait()
            far_reader, far = await asyncio.open_connection(*self._target)
            self._writers.add(far)
            await asyncio.gather(self._copy(reader, far), self._copy(far_reader, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._carriers.discard(task)
            for each in filter(None, (writer, far)):
                each.transport.abort()
                self._writers.discard(each)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
