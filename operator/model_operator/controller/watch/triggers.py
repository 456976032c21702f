"""Which keys to reconcile when an object changes: from watch events to the work queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import structlog

from model_operator.api import STABLE
from model_operator.controller.cache.cluster_state import (
    ClusterState,
    bound_template,
    instance_of_child,
)
from model_operator.controller.cache.namespace_labels import Knowledge, NamespaceLabels
from model_operator.controller.queue import WorkQueue
from model_operator.controller.scope import Key, Scope
from model_operator.core.objects.kept_form import FAULTS
from model_operator.core.rollouts.reading import is_rolling_in_steps
from model_operator.core.status.autoscaling import scaling_state
from model_operator.core.status.rollout_counts import rollout_share
from model_operator.core.templates.revisions.entry_revisions import named_revisions
from model_operator.core.templates.sharing import grant_of
from model_operator.kube.object_cache import NamespacedName, Object, key_of
from model_operator.kube.resources import (
    AUTOSCALERS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    MODEL_INSTANCES,
    REVISION_KINDS,
    TEMPLATE_KINDS,
    ResourceKind,
)

log = structlog.get_logger(__name__)


class _Delay(NamedTuple):
    """Seconds that grow with the number of instances, since all of them are read afterwards."""

    least: float
    for_each: float
    most: float

    def seconds(self, count: int) -> float:
        return min(self.least + count * self.for_each, self.most)


_COUNT_DELAY = _Delay(1.0, 0.0005, 10.0)
"""Within it, changes of a template's instances are combined into one write of its counts."""
_STEP_DELAY = _Delay(0.2, 0.0001, 2.0)
"""Within it, they are combined into one decision of a roll-out in steps, for which the next ones wait."""

_LOG_SECONDS = 60.0
_TEMPLATE_KIND = {kind.kind: kind for kind in TEMPLATE_KINDS}


class Triggers:
    """Updates the caches from watch events and enqueues the affected keys.

    Parameters
    ----------
    state
        The caches.
    queue
        The work queue.
    scope
        The served namespaces.
    on_unreadable
        Called with the kind of each version of an object that could not be cached completely.
    """

    def __init__(
        self,
        state: ClusterState,
        queue: WorkQueue[Key],
        scope: Scope,
        on_unreadable: Callable[[ResourceKind], None] = lambda _: None,
    ) -> None:
        self._state = state
        self._queue = queue
        self._scope = scope
        self._on_unreadable = on_unreadable
        self._logged_at: float | None = None
        self._selected = asyncio.Event()

    @property
    def namespaces(self) -> NamespaceLabels:
        """The labels of namespaces."""
        return self._state.namespaces

    async def until_selected(self) -> None:
        """Wait until a template selects namespaces by labels."""
        await self._selected.wait()

    def observe(self, kind: ResourceKind, event_type: str | None, obj: Mapping[str, Any]) -> None:
        """Process one watch event or one item of a list.

        Never raises: an object that cannot be processed is skipped and counted as unreadable, so that it
        ends neither a list nor a watch. An object that is too large or too deep is cached without its spec,
        and its status says so.

        Parameters
        ----------
        kind
            Kind of the object.
        event_type
            ``ADDED``, ``MODIFIED``, ``DELETED``, or None for an item of a list.
        obj
            The object as the API server sent it.
        """
        try:
            self._process(kind, event_type, obj)
        except Exception:  # noqa: BLE001 -- no object may end a list or a watch, whatever it is
            self._on_unreadable(kind)
            self._log_skipped(kind, obj.get("metadata"))

    def _log_skipped(self, kind: ResourceKind, metadata: Any) -> None:
        """Log the current exception, at most once a minute: a user who writes objects could fill the disk."""
        now = time.monotonic()
        if self._logged_at is not None and now - self._logged_at < _LOG_SECONDS:
            return
        self._logged_at = now
        named = metadata if isinstance(metadata, Mapping) else {}
        # Not the object: it may have a megabyte and contain secrets.
        log.error(
            "skipped an object that cannot be read",
            object_kind=kind.kind,
            namespace=str(named.get("namespace")),
            name=str(named.get("name")),
        )

    def _process(self, kind: ResourceKind, event_type: str | None, obj: Mapping[str, Any]) -> None:
        if not self._scope.covers(obj["metadata"].get("namespace", "")):
            return
        cache, deleted = self._state.cache_of(kind), event_type == "DELETED"
        # Most events report what the operator has written: the cache has it from the response.
        if not deleted and not cache.is_newer(obj):
            return
        old = cache.get(*key_of(obj))
        # Before anything reads more of it: only the kept form is bounded in size and depth.
        kept = cache.form({**obj, "kind": kind.kind, "apiVersion": kind.api_version})
        if kept.get(FAULTS) and not deleted:
            self._on_unreadable(kind)
        changed = cache.remove(kept) if deleted else cache.put_kept(kept)
        if changed:
            self._handler(kind)(kind, kept, old, deleted)

    def enqueue_all(self) -> None:
        """Enqueue all instances and templates, and the names of deleted instances with stale children."""
        for kind in TEMPLATE_KINDS:
            for obj in self._state.cache_of(kind):
                self._enqueue_template(kind, obj)
        for obj in self._state.instances:
            self._enqueue_instance(key_of(obj))
        for key in self._state.names_without_instance():
            self._enqueue_instance(key)

    def update_template_counts(self, uid: str | None) -> None:
        """Soon count the instances of the template with that uid again, if there is such a template."""
        for kind in TEMPLATE_KINDS:
            template = self._state.cache_of(kind).by_uid(uid) if uid else None
            if template is not None:
                delay = _STEP_DELAY if is_rolling_in_steps(template) else _COUNT_DELAY
                count = self._state.instances.count("template", uid)
                self._enqueue_template(kind, template, delay.seconds(count))

    def requeue_template_after(self, template: Object, delay: float) -> None:
        """Reconcile a template after `delay` seconds, unless it is reconciled earlier."""
        self._enqueue_template(_TEMPLATE_KIND[template["kind"]], template, delay)

    def announce(self, template: Object) -> None:
        """Reconcile the instances of a template if it offers them something else than before."""
        compiled, revisions = self._state.compiled(template), self._state.revisions
        if revisions.is_other_stable(compiled):
            self._enqueue_naming(template, STABLE)
        if revisions.is_news(compiled):
            self._enqueue_instances(template)

    def requeue_after(self, namespace: str, name: str, delay: float) -> None:
        """Reconcile an instance after `delay` seconds, unless it is reconciled earlier."""
        self._queue.add(Key(MODEL_INSTANCES.kind, namespace, name), delay)

    def requeue_behind_waiting(self, namespace: str, name: str) -> bool:
        """Reconcile an instance after all waiting keys; return False, and do nothing, when none waits."""
        if not len(self._queue):
            return False
        self._queue.add(Key(MODEL_INSTANCES.kind, namespace, name), low_priority=True)
        return True

    def _handler(self, kind: ResourceKind) -> Callable[[ResourceKind, Object, Object | None, bool], None]:
        if kind is MODEL_INSTANCES:
            return self._on_instance
        if kind in REVISION_KINDS:
            return self._on_revision
        return self._on_template if kind in TEMPLATE_KINDS else self._on_child

    def _on_instance(self, kind: ResourceKind, obj: Object, old: Object | None, deleted: bool) -> None:
        # A deleted instance, too: its reconcile drops all state about it.
        self._queue.add(Key(kind.kind, *key_of(obj)))
        # The cache already has the operator's own writes, unless their response was lost. After a gap in the
        # watch, a recreated object of the same name may follow without an event for the deletion.
        shares = [rollout_share(each.get("status") or {}) for each in (old, obj) if each is not None]
        is_another = old is not None and _membership(old) != _membership(obj)
        if deleted or len(set(shares)) != 1 or is_another:
            for uid in dict.fromkeys(each.template for each in shares):
                self.update_template_counts(uid)

    def _on_template(self, kind: ResourceKind, obj: Object, old: Object | None, deleted: bool) -> None:
        if not deleted:
            self._enqueue_template(kind, obj)
            self._note_selector(obj)
        # After a gap in the watch, a recreated object may follow without an event for the deletion.
        removed = obj if deleted else old if old is not None and _uid(old) != _uid(obj) else None
        if removed is not None:
            self._state.forget_template(_uid(removed))
            self._enqueue_instances(removed)
        elif old is not None and not deleted:
            self._enqueue_regranted(old, obj)
        # Where its revisions are stored, an edit affects its instances once that has one: the reconciler
        # announces it.
        if not deleted:
            self.announce(obj)

    def _note_selector(self, template: Object) -> None:
        selects = grant_of(template).selector is not None
        if self._state.namespaces.note(_uid(template), selects=selects):
            self._selected.set()

    def _enqueue_regranted(self, old: Object, template: Object) -> None:
        """Enqueue the instances in namespaces that a template was withdrawn from or granted to.

        That does not wait for a revision: an edit of this field makes none.
        """
        before, now = grant_of(old), grant_of(template)
        if before == now:
            return
        for instance in self._state.referring(template):
            if self._state.sharing(before, instance) is not self._state.sharing(now, instance):
                self._enqueue_instance(key_of(instance))

    def on_namespace(self, namespace: str, labels: Mapping[str, str] | None) -> None:
        """Take the labels of a namespace, None for a deleted one, and enqueue what a change of them concerns.

        Parameters
        ----------
        namespace
            Its name.
        labels
            Its labels.
        """
        known = self._state.namespaces
        before = known.put(namespace, labels)
        if before == labels or known.knowledge is not Knowledge.KNOWN:
            return
        for kind, template in self._selecting():
            grant = grant_of(template)
            if grant.covers(namespace, before) is not grant.covers(namespace, labels):
                self._enqueue_template(kind, template)
                for instance in self._state.referring(template):
                    if instance["metadata"].get("namespace") == namespace:
                        self._enqueue_instance(key_of(instance))

    def on_all_namespaces(self) -> None:
        """Note that the labels of all namespaces are known, and enqueue all that has waited for them."""
        self._state.namespaces.knowledge = Knowledge.KNOWN
        self._enqueue_selecting()

    def forget_labels(self, knowledge: Knowledge) -> None:
        """Drop the labels of all namespaces, for the reason that is given, and enqueue what that concerns."""
        is_other = self._state.namespaces.knowledge is not knowledge
        self._state.namespaces.forget(knowledge)
        if knowledge is Knowledge.UNUSED:
            self._selected.clear()
        if is_other:
            self._enqueue_selecting()

    def _enqueue_selecting(self) -> None:
        for kind, template in self._selecting():
            self._enqueue_template(kind, template)
            for instance in self._state.referring(template):
                self._enqueue_instance(key_of(instance))

    def _selecting(self) -> Iterator[tuple[ResourceKind, Object]]:
        """Yield the templates that select namespaces by labels."""
        for uid in self._state.namespaces.selecting:
            for kind in TEMPLATE_KINDS:
                template = self._state.cache_of(kind).by_uid(uid)
                if template is not None:
                    yield kind, template

    def _on_revision(self, kind: ResourceKind, obj: Object, old: Object | None, deleted: bool) -> None:
        del kind
        if deleted:
            self._state.revisions.forget_revision(_uid(obj))
        if old is not None and _uid(old) != _uid(obj):
            self._state.revisions.forget_revision(_uid(old))
        template = self._state.template_of(obj)
        if template is None:
            return
        self._enqueue_template(_TEMPLATE_KIND[template["kind"]], template)
        self.announce(template)
        # Those that are pinned to it, as a whole or in a deployment, and those that run it while they wait.
        self._enqueue_naming(template, obj.get("hash"), is_running=old is None or deleted)

    def _on_child(self, kind: ResourceKind, obj: Object, old: Object | None, deleted: bool) -> None:
        # An autoscaler writes its measurements every 15 seconds; only whether it can measure is reported.
        is_status = not deleted and old is not None and _without_status(old) == _without_status(obj)
        if is_status and kind is DISRUPTION_BUDGETS:
            return
        if is_status and kind is AUTOSCALERS and scaling_state(old or obj) == scaling_state(obj):
            return
        if kind is DEPLOYMENTS and (old is None or deleted or _has_workers(old) != _has_workers(obj)):
            self._update_counts_of(obj)
        # The previous version, too: an edit may remove the label or owner that names the instance.
        for key in dict.fromkeys((instance_of_child(obj), instance_of_child(old or obj))):
            if key is not None:
                self._enqueue_instance(key, low_priority=is_status)

    def _update_counts_of(self, child: Object) -> None:
        """Decide on the roll-out of a template again when an instance has got workers, or has none left."""
        key = instance_of_child(child)
        instance = None if key is None else self._state.instances.get(*key)
        if instance is not None:
            self.update_template_counts(bound_template(instance.get("status")))

    def _enqueue_instances(self, template: Object) -> None:
        for key in self._state.instances_of(template):
            self._enqueue_instance(key)

    def _enqueue_naming(self, template: Object, revision: Any, *, is_running: bool = False) -> None:
        """Enqueue the instances of a template that name a revision, or run it, wholly or in a deployment."""
        for instance in self._state.naming(template, str(revision)):
            if is_running or revision in named_revisions(instance):
                self._enqueue_instance(key_of(instance))

    def _enqueue_template(self, kind: ResourceKind, template: Object, delay: float = 0) -> None:
        # An operator for some namespaces cannot count all instances of a cluster template.
        if kind.namespaced or not self._scope.namespaces:
            self._queue.add(Key(kind.kind, *key_of(template)), delay)

    def _enqueue_instance(self, key: NamespacedName, *, low_priority: bool = False) -> None:
        self._queue.add(Key(MODEL_INSTANCES.kind, *key), low_priority=low_priority)


def _uid(obj: Object) -> str:
    return str(obj["metadata"]["uid"])


def _membership(instance: Object) -> tuple[Any, ...]:
    """Return what of an instance's metadata decides on its part in a roll-out."""
    metadata = instance["metadata"]
    # One that is being deleted has none; a finalizer may preserve it for long.
    return metadata["uid"], metadata.get("labels"), bool(metadata.get("deletionTimestamp"))


def _has_workers(deployment: Object) -> bool:
    return bool((deployment.get("spec") or {}).get("replicas", 1))


def _without_status(obj: Object) -> Object:
    of_version = ("managedFields", "resourceVersion", "generation")
    metadata = {key: value for key, value in obj["metadata"].items() if key not in of_version}
    return {**obj, "metadata": metadata, "status": None}
