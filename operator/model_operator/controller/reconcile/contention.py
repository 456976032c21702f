"""Tracking of children that another field manager keeps changing: when to correct them, what to report."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog

from model_operator.core.objects.ownership import INSTANCE_LABEL
from model_operator.core.planning.contention import (
    PEACE_SECONDS,
    Contention,
    contested_for,
    held,
    is_peaceful,
    wait_before,
    written,
)
from model_operator.core.planning.contested_fields import (
    ContestedField,
    contested_fields,
    fingerprint,
    rewritten_fields,
)
from model_operator.core.rendering.desired_child import DesiredChild
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import ApiError, NotFoundError
from model_operator.kube.object_cache import NamespacedName
from model_operator.kube.resources import CHILD_KIND

log = structlog.get_logger(__name__)

Object = Mapping[str, Any]

_READ_PAUSE_SECONDS = 1.0
"""Between two reads of the managers of one child, however often it changes."""


class _ChildKey(NamedTuple):
    kind: str
    name: str


@dataclass(slots=True)
class _Known:
    """The record of one child that was written recently.

    Attributes
    ----------
    contention
        When, and how many times in a row.
    version
        Resource version of the child in the response to the apply.
    answered
        Fingerprint of the fields that the API server changed in the response to the apply; empty for none.
    rewritten
        The fields among them that count as contested, since admission should not change them.
    fields
        The contested fields, and for which drift and when they were read.
    """

    contention: Contention
    version: str
    answered: str = ""
    rewritten: tuple[ContestedField, ...] = ()
    fields: tuple[ContestedField, ...] = ()
    read_of: str = ""
    read_at: float = float("-inf")


class Contests:
    """Records how each child was written in the last ten minutes, and which manager changed it since.

    Parameters
    ----------
    client
        Requests: the caches keep no ``managedFields``, so a child that drifts again is read.
    clock
        Seconds from any start, never going back.
    """

    def __init__(self, client: ApiClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        # By instance, in the order of the last write, so that expired records are at the front.
        self._known: OrderedDict[NamespacedName, dict[_ChildKey, _Known]] = OrderedDict()

    def forget(self, instance: NamespacedName) -> None:
        """Forget a deleted instance."""
        self._known.pop(instance, None)

    def knows(self, child: DesiredChild) -> bool:
        """Return whether there is a record of a child: it was written recently."""
        return self._find(child) is not None

    def is_as_written(self, child: DesiredChild, live: Object) -> bool:
        """Return whether a child is known to be as desired: the last apply's response was, and is still live.

        The resource version identifies the content, so the comparison need not be repeated. This leaves out
        the number of workers that an autoscaler sets: its minimum, which may change, is no part of the
        applied object.
        """
        known = self._find(child)
        if known is None or known.answered or known.contention.wanted != child.applied_hash:
            return False
        return bool(known.version == live["metadata"]["resourceVersion"])

    def is_as_answered(self, child: DesiredChild, live: Object) -> bool:
        """Return whether a child differs from the desired one exactly as in the response to the last apply.

        Then admission has rewritten it, and would rewrite another apply, too.
        """
        known = self._find(child)
        if known is None or not known.answered or known.contention.wanted != child.applied_hash:
            return False
        # Applied again after a while: the policy may have been removed.
        return not is_peaceful(known.contention, self._clock()) and known.answered == fingerprint(child, live)

    async def may_write(self, child: DesiredChild, live: Object | None) -> bool:
        """Return whether a child that differs from its desired state may be written now.

        Parameters
        ----------
        child
            The desired child.
        live
            The live child; None where there is none.
        """
        known = self._find(child)
        if known is None:
            return True
        now = self._clock()
        if known.contention.wanted == child.applied_hash and known.contention.corrections > 0:
            await self._identify(known, child, live)
        if wait_before(known.contention, child.applied_hash, now) <= 0:
            return True
        known.contention = held(known.contention)
        return False

    def was_written(self, child: DesiredChild, live: Object | None, answer: Object) -> None:
        """Remember that a child was written.

        Parameters
        ----------
        child, live
            As for :meth:`may_write`.
        answer
            The child as the API server answered.
        """
        now, known = self._clock(), self._find(child)
        is_drift = live is not None and child.hash_matches(live)
        contention = written(known.contention if known else None, child.applied_hash, now, is_drift=is_drift)
        answered, version = fingerprint(child, answer), answer["metadata"]["resourceVersion"]
        if known is None or contention.corrections == 0:
            known = _Known(contention, version, answered)
        else:
            known.contention, known.version, known.answered = contention, version, answered
        known.rewritten = rewritten_fields(child, answer) if answered else ()
        instance = _instance(child)
        self._known.setdefault(instance, {})[_key(child)] = known
        self._known.move_to_end(instance)
        self._forget_the_peaceful(now)

    def contested(self, child: DesiredChild) -> tuple[tuple[ContestedField, ...], float | None]:
        """Return the fields of a child that are contested, and the seconds until the next check.

        Parameters
        ----------
        child
            The desired child.

        Returns
        -------
        tuple
            No fields, and None, for a child that is not contested.
        """
        known = self._find(child)
        if known is None:
            return (), None
        now, digest = self._clock(), child.applied_hash
        if known.rewritten and known.contention.wanted == digest:
            # Until it is tried again.
            return known.rewritten, max(0.0, known.contention.written_at + PEACE_SECONDS - now)
        remaining = contested_for(known.contention, digest, now)
        return (known.fields, remaining) if remaining > 0 else ((), None)

    def held(self, child: DesiredChild) -> tuple[tuple[ContestedField, ...], float]:
        """Return the contested fields of a child that has to wait, and the seconds until it is written."""
        known = self._known[_instance(child)][_key(child)]
        return known.fields, wait_before(known.contention, child.applied_hash, self._clock())

    async def _identify(self, known: _Known, child: DesiredChild, live: Object | None) -> None:
        """Find out which fields have drifted, and who wrote them, unless that is known of this very drift."""
        drift = fingerprint(child, live) if live is not None else "absent"
        now = self._clock()
        if known.fields and (drift == known.read_of or now - known.read_at < _READ_PAUSE_SECONDS):
            return
        key = _key(child)
        if live is not None:
            try:
                live = await self._client.get(CHILD_KIND[key.kind], child.namespace, key.name)
            except NotFoundError:
                live = None
            except ApiError as error:
                # The fields are known without reading it; the managers follow with the next check.
                log.info("writers of a child cannot be read", child=key.name, code=error.code)
        fields = contested_fields(child, live)
        # Corrected meanwhile: what was found before still is what happened.
        known.fields = fields or known.fields
        known.read_of, known.read_at = drift, now
        if fields:
            log.warning(
                "child is contested",
                kind=key.kind,
                child=key.name,
                fields=[each.field for each in fields],
                managers=sorted({each.manager for each in fields}),
            )

    def _find(self, child: DesiredChild) -> _Known | None:
        return self._known.get(_instance(child), {}).get(_key(child))

    def _forget_the_peaceful(self, now: float) -> None:
        while self._known:
            instance, children = next(iter(self._known.items()))
            if not all(is_peaceful(each.contention, now) for each in children.values()):
                return
            del self._known[instance]


def _instance(child: DesiredChild) -> NamespacedName:
    return child.namespace, child.labels[INSTANCE_LABEL]


def _key(child: DesiredChild) -> _ChildKey:
    return _ChildKey(child.kind, child.name)
