"""Settings that reduce kopf to watching: it writes nothing, stores nothing and retries for ever."""

from __future__ import annotations

import itertools
import random
import secrets
from collections.abc import Iterator, Sequence

import kopf

from model_operator.api import GROUP
from model_operator.controller.scope import Scope
from model_operator.kube.paging import PAGE
from model_operator.kube.resources import ResourceKind


def kopf_settings(
    kinds: Sequence[ResourceKind], scope: Scope, request_timeout: float
) -> kopf.OperatorSettings:
    """Return kopf's settings: watch only, write nothing, retry for ever.

    Parameters
    ----------
    kinds
        The watched kinds, with their label selectors.
    scope
        The served namespaces.
    request_timeout
        Timeout in seconds of a request other than a watch.
    """
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.peering.clusterwide = not scope.namespaces
    settings.watching.chunk_size = PAGE
    settings.watching.server_timeout = random.randint(120, 240)  # noqa: S311 -- so that replicas differ
    settings.watching.client_timeout = settings.watching.server_timeout + 10
    # A shorter timeout may fire in the consumer and end a watcher silently; probe and resync cover that.
    settings.watching.inactivity_timeout = 86400
    for kind in kinds:
        if kind.label_selector:
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = kind.label_selector
    settings.networking.request_timeout = request_timeout
    settings.networking.error_backoffs = _Backoffs()
    settings.process.ultimate_exiting_timeout = 5
    # kopf patches every object that has its finalizer but no handler, without regard to the Lease, and
    # retries while that is refused. Any user can write the default name; this one cannot be guessed.
    settings.persistence.finalizer = f"{GROUP}/{secrets.token_hex(16)}"
    return settings


class _Backoffs:
    """An endless series of growing pauses: the operator survives any outage of the API server."""

    def __iter__(self) -> Iterator[float]:
        for attempt in itertools.count():
            yield min(0.5 * 2 ** min(attempt, 10), 15) * random.uniform(0.8, 1.2)  # noqa: S311 -- only jitter
