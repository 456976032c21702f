"""Makes kopf read JSON with the operator's bounded reader, so that no object can end its watches.

kopf reads lists by ``response.json()`` and watches by ``json.loads``. Python's reader recurses on the C
stack: a too deeply nested object would end every watch, and so the operator, for all namespaces.
"""

from __future__ import annotations

import types
from typing import Any

import aiohttp
from aiohttp.typedefs import JSONDecoder
from kopf._cogs.clients import api as kopf_api

from model_operator.core.values.json_reading import read_json


class BoundedResponse(aiohttp.ClientResponse):
    """A response whose JSON :func:`~model_operator.core.values.json_reading.read_json` reads."""

    def keep(self, body: bytes) -> None:
        """Make the body, which was read in bounds, the one that :meth:`json` parses."""
        self._body = body

    async def json(
        self,
        *,
        encoding: str | None = None,
        loads: JSONDecoder | None = None,
        content_type: str | None = "application/json",
    ) -> Any:
        """Return the parsed body; the arguments are those of :class:`aiohttp.ClientResponse`."""
        return await super().json(encoding=encoding, loads=loads or _loads, content_type=content_type)


def read_watches_safely() -> None:
    """Make kopf read the lines of its watches with the bounded reader.

    kopf has no hook for this: it parses the line in the function that sends the request. This replaces the
    name ``json`` in that one module only; the standard library is unchanged.

    Raises
    ------
    RuntimeError
        When the installed release of kopf has no such name.
    """
    if not hasattr(kopf_api, "json"):
        raise RuntimeError("this release of kopf reads its watches in another way; use the locked one")
    vars(kopf_api)["json"] = types.SimpleNamespace(loads=_loads)


def _loads(text: str) -> Any:
    return read_json(text.encode())
