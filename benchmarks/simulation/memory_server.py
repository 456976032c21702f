"""An API server in memory, in the place of a connection: copies of one instance and its children.

Each page is made when it is read, by another process: neither the CPU time nor the memory that this takes is
the operator's. Requests and answers are bytes, so that it reads them as it reads those of a real server.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from http import HTTPStatus
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Self, cast

from benchmarks.simulation.copies import COPIED, begin_process, items_of_process
from model_operator.core.values.json_reading import read_json
from model_operator.core.values.json_values import wire_json
from model_operator.kube.connection import Connection
from model_operator.kube.kubeconfig import ClusterConfiguration
from model_operator.kube.resources import MODEL_TEMPLATE_REVISIONS, MODEL_TEMPLATES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    import aiohttp
    from yarl import URL

    from benchmarks.objects import Object

_SINGLE = (MODEL_TEMPLATES, MODEL_TEMPLATE_REVISIONS)
_FIRST_VERSION = 1_000_000
"""Of what is written here: above all that a sample has."""


class MemoryServer(Connection):
    """A connection that answers lists and writes itself.

    Parameters
    ----------
    sample
        The objects of one instance by kind.
    hashes
        The file that `write_hashes` wrote; None to leave hashes as they are.
    count
        How many copies there are.

    Attributes
    ----------
    sent
        Bytes that were answered.
    writes
        The writes by verb and resource, dry runs left out.
    """

    def __init__(self, sample: Mapping[str, Object], hashes: Path | None, count: int) -> None:
        super().__init__(lambda: ClusterConfiguration(host="http://memory"), timeout=1)
        self.sent = 0
        self.writes: Counter[str] = Counter()
        self._count = count
        self._versions = itertools.count(_FIRST_VERSION)
        self._makers = ProcessPoolExecutor(
            1, mp_context=get_context("spawn"), initializer=begin_process, initargs=(sample, hashes)
        )
        self._copied = {kind.path(): kind.kind for kind in COPIED}
        self._single = {kind.path(): sample[kind.kind] for kind in _SINGLE}
        self.template: Object = sample[MODEL_TEMPLATES.kind]

    async def close(self) -> None:
        """End the process that makes the pages."""
        self._makers.shutdown()

    async def request(self, method: str, url: URL, **options: Any) -> aiohttp.ClientResponse:
        """Answer a request."""
        query, headers = url.query, options["headers"]
        if method == "GET":
            body = await self._page(
                url.path, query, metadata_only="PartialObjectMetadata" in headers["Accept"]
            )
        else:
            given = read_json(options["data"] or b"{}")
            body = self._written(method, url.path, given, is_stored="dryRun" not in query)
        self.sent += len(body)
        return cast("aiohttp.ClientResponse", Answer(body))

    async def _page(self, path: str, params: Mapping[str, str], *, metadata_only: bool) -> bytes:
        begin, limit = int(params.get("continue") or 0), int(params["limit"])
        items, following = b"", ""
        if (kind := self._copied.get(path)) is not None:
            numbers = range(begin, min(begin + limit, self._count))
            following = str(numbers.stop) if numbers.stop < self._count else ""
            make = partial(items_of_process, kind, numbers, metadata_only=metadata_only)
            items = await asyncio.get_running_loop().run_in_executor(self._makers, make)
        elif (single := self._single.get(path)) is not None:
            items = wire_json({"metadata": single["metadata"]} if metadata_only else single)
        head = wire_json({"resourceVersion": str(_FIRST_VERSION), "continue": following})
        return b'{"metadata":%s,"items":[%s]}' % (head, items)

    def _written(self, method: str, path: str, body: Object, *, is_stored: bool) -> bytes:
        """Take a write; of templates and their revisions alone is the answer what a server would answer."""
        if not is_stored:
            return wire_json(body)
        resource = "/".join(path.rpartition("/namespaces/")[2].split("/")[1:][::2])
        self.writes[f"{method.lower()} {resource}"] += 1
        version = str(next(self._versions))
        if path.endswith("/status"):
            known = {**self.template, "status": merged(self.template.get("status") or {}, body["status"])}
        else:
            known = {**body, "metadata": {"uid": f"uid-{version}", **body["metadata"]}}
        return wire_json({**known, "metadata": {**known["metadata"], "resourceVersion": version}})


class Answer:
    """A response with its whole body.

    Nothing else holds it, since garbage collection is off while the caches fill.
    """

    status = HTTPStatus.OK
    headers: Mapping[str, str] = {}

    def __init__(self, body: bytes) -> None:
        self._body = body

    @property
    def content(self) -> Answer:
        """The stream of its body: itself, but not as an attribute, which would be a cycle of references."""
        return self

    async def __aenter__(self) -> Self:
        """Give this."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Do nothing."""

    async def read(self) -> bytes:
        """Give the body."""
        return self._body

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        """Yield the body."""
        yield self._body

    def close(self) -> None:
        """Do nothing."""


def merged(obj: Object, patch: Object) -> Object:
    """Give an object with a merge patch laid over it (RFC 7386)."""
    result = dict(obj)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result
