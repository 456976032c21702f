"""How kopf reads JSON: by our reader, so that no object can end its watches.

kopf reads lists by ``response.json()`` and watches by ``json.loads``. Python's reader recurses on the C
stack: an object that is nested too deeply for it would end every watch, and so the operator, for all
namespaces.
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

    async def json(
        self,
        *,
        encoding: str | None = None,
        loads: JSONDecoder | None = None,
        content_type: str | None = "application/json",
    ) -> Any:
        """Return what the body says; the arguments are those of :class:`aiohttp.ClientResponse`."""
        return await super().json(encoding=encoding, loads=loads or _loads, content_type=content_type)


def read_watches_safely() -> None:
    """Have kopf read the lines of its watches by our reader.

    It offers no other way: the line is read within the function that makes the request. Only the name
    ``json`` of that one module is another one then; the standard library's stays as it is.

    Raises
    ------
    RuntimeError
        When the installed kopf has no such name, as a later release may not.
    """
    if not hasattr(kopf_api, "json"):
        raise RuntimeError("this release of kopf reads its watches in another way; use the locked one")
    vars(kopf_api)["json"] = types.SimpleNamespace(loads=_loads)


def _loads(text: str) -> Any:
    return read_json(text.encode())
