"""How much of a list is read at a time: pages are bounded in bytes, whatever the size of the objects."""

from __future__ import annotations

from typing import Final

import aiohttp

PAGE: Final = 500
"""Objects requested per page of a list."""
PAGE_BYTES: Final = 4 * 1024 * 1024
"""Largest page of several objects that is read, in bytes: as Python values it takes about 15 times as much
memory, and 500 objects may have 750 MB."""
_CHUNK: Final = 64 * 1024


class TooLargeError(Exception):
    """A response has more bytes than the caller accepts."""


class PageSize:
    """The number of objects to request for the next page of a list: fewer after a page that was too large.

    Parameters
    ----------
    largest
        Objects to request at first, and at most.

    Attributes
    ----------
    limit
        Objects to request.
    """

    def __init__(self, largest: int = PAGE) -> None:
        self._largest = largest
        self.limit = largest

    @property
    def max_bytes(self) -> int | None:
        """Bytes of the page that may be read; None for a single object, which etcd bounds."""
        return None if self.limit == 1 else PAGE_BYTES

    def shrink(self) -> None:
        """Request fewer objects, as the next ones are large."""
        self.limit = max(1, self.limit // 4)

    def grow(self) -> None:
        """Request more objects again, after a page that was not too large."""
        self.limit = min(self._largest, 2 * self.limit)


async def read_bounded(response: aiohttp.ClientResponse, max_bytes: int | None) -> bytes:
    """Return the body of a response.

    Parameters
    ----------
    response
        A response whose body was not read.
    max_bytes
        Largest body in bytes; None for no bound.

    Raises
    ------
    TooLargeError
        The body is larger; the connection is closed.
    """
    if max_bytes is None:
        return await response.read()
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            response.close()
            raise TooLargeError
    return b"".join(chunks)
