"""What an operator deals with, in memory: an API server, and the caches, the queue and the triggers."""

from __future__ import annotations

import asyncio
from typing import Final

from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.queue import WorkQueue
from model_operator.controller.scope import Key, Scope
from model_operator.controller.watch.triggers import Triggers
from model_operator.kube.client import Object
from model_operator.kube.resources import (
    CHILD_KIND,
    CLUSTER_MODEL_TEMPLATES,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    REVISION_KINDS,
    ResourceKind,
)
from tests.unit.controller.fake_api import FakeApi

KINDS: Final[dict[str, ResourceKind]] = {
    kind.kind: kind
    for kind in (
        MODEL_INSTANCES,
        MODEL_TEMPLATES,
        CLUSTER_MODEL_TEMPLATES,
        *REVISION_KINDS,
        *CHILD_KIND.values(),
    )
}
"""The kinds of cached objects by name."""


class World:
    """An API server and what one operator holds in memory; tests derive what they examine.

    Parameters
    ----------
    api
        The API server.
    queue
        The queue of the operator.
    namespaces, excluded
        The namespaces that the operator serves, and those that it excludes.
    is_storing
        Whether the revisions of templates are stored; otherwise instances follow their templates.
    """

    def __init__(
        self,
        api: FakeApi | None = None,
        queue: WorkQueue[Key] | None = None,
        namespaces: tuple[str, ...] = (),
        excluded: tuple[str, ...] = (),
        *,
        is_storing: bool = False,
    ) -> None:
        self.api = FakeApi() if api is None else api
        self.queue: WorkQueue[Key] = WorkQueue() if queue is None else queue
        self.scope = Scope(list(namespaces), list(excluded))
        self.state = ClusterState(stored=self.scope.stored_revisions if is_storing else ())
        self.unreadable: list[ResourceKind] = []
        self.triggers = Triggers(self.state, self.queue, self.scope, self.unreadable.append)

    def put(self, obj: Object) -> Object:
        """Have an object on the server and in the cache."""
        stored = self.api.put(obj)
        self.cache(stored)
        return stored

    def cache(self, obj: Object) -> None:
        """Have an object in the cache."""
        self.state.cache_of(KINDS[obj["kind"]]).put(obj)

    def queued(self) -> set[str]:
        """Take all keys from the queue and return the kinds and names of their objects."""
        found = set()
        while len(self.queue):
            key = asyncio.run(self.queue.get())
            self.queue.done(key)
            found.add(f"{key.kind}/{key.name}")
        return found
