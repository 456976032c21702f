"""Children that cannot be changed in place, and are deleted and created instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.core.rendering.service import NO_ADDRESS


def must_be_replaced(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether a live child has an immutable field that must change.

    A Service keeps its address, or its lack of one, for life (``clusterIP`` and ``clusterIPs``).

    Parameters
    ----------
    wanted
        A rendered child.
    live
        The child as the API server has it.
    """
    if wanted["kind"] != "Service":
        return False
    return _is_headless(wanted) is not _is_headless(live)


def _is_headless(service: Mapping[str, Any]) -> bool:
    return bool(service["spec"].get("clusterIP") == NO_ADDRESS)
