"""Reads a template from the API server: a denial rests on its live state, not on the cache of a watch."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from model_operator.api import TemplateKind
from model_operator.core.admission.instance import Examination
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.resolution import TemplateLookup, reference_of
from model_operator.core.templates.revisions.assignment import RevisionLookup, missing_revisions
from model_operator.core.templates.revisions.kept import template_kind
from model_operator.core.templates.revisions.objects import read_revision
from model_operator.core.templates.sharing import Sharing, grant_of
from model_operator.kube.client import ApiClient, Object
from model_operator.kube.errors import ApiError, ForbiddenError, NotFoundError
from model_operator.kube.resources import REVISION_KINDS, TEMPLATE_KINDS

log = structlog.get_logger(__name__)

_KINDS = {TemplateKind(kind.kind): kind for kind in TEMPLATE_KINDS}
_REVISION_KINDS = {template_kind({"kind": kind.kind}): kind for kind in REVISION_KINDS}
_NAME = re.compile("[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
"""Valid names of templates, as part of a request's path."""


class Address(NamedTuple):
    """Address of a template, or of a revision of it, on the API server.

    Attributes
    ----------
    kind, namespace, name
        The template; the namespace is empty for a cluster-scoped one.
    revision
        Hash of the revision; empty for the template.
    """

    kind: TemplateKind
    namespace: str
    name: str
    revision: str = ""


class Asker(NamedTuple):
    """The namespace of an instance whose template is looked for.

    Attributes
    ----------
    namespace
        Its name.
    labels
        Its labels; None where they are not known.
    """

    namespace: str
    labels: Mapping[str, str] | None


class UnconfirmedError(Exception):
    """The API server did not return the template in time."""


@dataclass(frozen=True, slots=True)
class TemplateOverlay:
    """A :class:`TemplateLookup` in which one template has its live state.

    Attributes
    ----------
    lookup
        All other templates.
    kind, namespace, name
        The template; the namespace is empty for a cluster-scoped one.
    found
        The live template; None when it does not exist.
    """

    lookup: TemplateLookup
    kind: TemplateKind
    namespace: str
    name: str
    found: CompiledTemplate | None

    def by_name(self, kind: TemplateKind, namespace: str, name: str) -> CompiledTemplate | None:
        """Return the template of that kind and name."""
        here = namespace if kind is TemplateKind.MODEL_TEMPLATE else ""
        if (kind, here, name) == (self.kind, self.namespace, self.name):
            return self.found
        return self.lookup.by_name(kind, namespace, name)

    def by_uid(self, uid: str) -> CompiledTemplate | None:
        """Return the template with that uid."""
        if self.found is not None and self.found.resource.metadata.uid == uid:
            return self.found
        known = self.lookup.by_uid(uid)
        return None if known is None or self._is_outdated(known) else known

    def labels_of(self, namespace: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace; None where they are not known."""
        return self.lookup.labels_of(namespace)

    def _is_outdated(self, known: CompiledTemplate) -> bool:
        metadata = known.resource.metadata
        here = (TemplateKind(known.resource.kind), metadata.namespace, metadata.name)
        return here == (self.kind, self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class RevisionOverlay:
    """A :class:`RevisionLookup` with revisions of one template that were read from the API server.

    Attributes
    ----------
    lookup
        All other revisions.
    uid
        ``metadata.uid`` of the template.
    found
        The live revisions by hash.
    """

    lookup: RevisionLookup
    uid: str
    found: Mapping[str, CompiledTemplate]

    def latest(self, template: CompiledTemplate) -> CompiledTemplate | None:
        """Return the latest valid revision of a template."""
        return self.lookup.latest(template)

    def by_hash(self, template: CompiledTemplate, revision: str) -> CompiledTemplate | None:
        """Return the revision of a template that has this hash."""
        live = self.found.get(revision) if template.resource.metadata.uid == self.uid else None
        return self.lookup.by_hash(template, revision) if live is None else live

    def stable(self, template: CompiledTemplate) -> str:
        """Return the hash of the stable revision of a template."""
        return self.lookup.stable(template)


class TemplateReader:
    """Reads templates and their revisions from the API server.

    Reviews that arrive while a template is being read share the next read of it: its result is never older
    than the review, and each template has at most one read under way, however many reviews are denied.

    Parameters
    ----------
    client
        Requests.
    free_domains
        ``free_metadata_domains`` of `model_operator.core.templates.render_settings.RenderSettings`.
    """

    def __init__(self, client: ApiClient, free_domains: Collection[str] = ()) -> None:
        self._client = client
        self._free_domains = free_domains
        self._running: dict[Address, asyncio.Task[Object]] = {}
        self._next: dict[Address, asyncio.Task[Object]] = {}

    async def read_again(
        self, templates: TemplateLookup, examination: Examination, seconds: float
    ) -> TemplateLookup:
        """Return the templates with the live state of the one that an examination rests on.

        Returns the object `templates` itself when nothing differs, so that a second examination is needless.

        Parameters
        ----------
        templates
            The cached templates.
        examination
            Of an instance with a ``model_template_id``. Without a template, all possible names of it are
            read. One that is not shared with the instance's namespace is as if it did not exist: it is not
            even compiled, which takes long enough to be noticed.
        seconds
            Timeout in total, as the API server waits for the review.

        Raises
        ------
        UnconfirmedError
            The API server did not respond in time.
        """
        known, namespace = examination.template, examination.instance.metadata.namespace
        asker = Asker(namespace, templates.labels_of(namespace))
        try:
            async with asyncio.timeout(seconds):
                for address in _candidates(examination):
                    found = await self._compiled(address, known, asker)
                    if found is not None or known is not None:
                        return (
                            templates if found is known else TemplateOverlay(templates, *address[:3], found)
                        )
        except (ApiError, TimeoutError) as error:
            log.warning("cannot read the template", error=str(error) or type(error).__name__)
            raise UnconfirmedError from error
        return templates

    async def revisions_again(
        self, revisions: RevisionLookup, examination: Examination, seconds: float
    ) -> RevisionLookup:
        """Return the revisions with the live ones that an instance names, if the examination misses any.

        A revision may be applied together with its first instance. Returns the object `revisions` itself when
        nothing differs. At the first one that does not exist, the rest is not read: the verdict is certain.

        Parameters
        ----------
        revisions
            The cached revisions.
        examination, seconds
            As of `read_again`.

        Raises
        ------
        UnconfirmedError
            The API server did not respond in time.
        """
        template = examination.template
        if template is None:
            return revisions
        found: dict[str, CompiledTemplate] = {}
        try:
            async with asyncio.timeout(seconds):
                for missing in missing_revisions(examination.instance, template, examination.pinned).values():
                    live = found.get(missing) or await self._revision(template, missing)
                    if live is None:
                        break
                    found[missing] = live
        except (ApiError, TimeoutError) as error:
            log.warning("cannot read the revision", error=str(error) or type(error).__name__)
            raise UnconfirmedError from error
        return RevisionOverlay(revisions, template.resource.metadata.uid, found) if found else revisions

    async def _revision(self, template: CompiledTemplate, revision: str) -> CompiledTemplate | None:
        """Return a live revision of a template; None if it does not exist or is forged."""
        metadata = template.resource.metadata
        address = Address(TemplateKind(template.resource.kind), metadata.namespace, metadata.name, revision)
        try:
            found = await self._read(address)
        except (NotFoundError, ForbiddenError):
            return None
        obj = {**found, "kind": _REVISION_KINDS[address.kind].kind}
        return read_revision(obj, template.resource, self._free_domains)

    async def _compiled(
        self, address: Address, known: CompiledTemplate | None, asker: Asker
    ) -> CompiledTemplate | None:
        """Return a live template, the known one if it is unchanged; None if the asker may use none."""
        try:
            found = await self._read(address)
        except NotFoundError:
            return None
        except ForbiddenError:
            # An operator for some namespaces may have no permission for cluster templates.
            if address.kind is TemplateKind.CLUSTER_MODEL_TEMPLATE:
                return None
            raise
        if known is not None:
            live, metadata = found["metadata"], known.resource.metadata
            if (live["uid"], live.get("generation")) == (metadata.uid, metadata.generation):
                return known
        if known is None and grant_of(found).covers(*asker) is not Sharing.SHARED:
            return None
        return parse_template({**found, "kind": address.kind.value}, self._free_domains)

    async def _read(self, address: Address) -> Object:
        """Return the result of a read that begins after this call."""
        shared = self._next.get(address)
        if shared is None:
            shared = asyncio.create_task(self._fetch(address, self._running.get(address)))
            # Retrieve the exception, as all callers may have timed out meanwhile.
            shared.add_done_callback(lambda task: task.cancelled() or task.exception())
            self._next[address] = shared
        # A caller that times out must not cancel the read of the others.
        return await asyncio.shield(shared)

    async def _fetch(self, address: Address, before: asyncio.Task[Object] | None) -> Object:
        if before is not None:
            await asyncio.wait([before])
        self._running[address] = self._next.pop(address)
        try:
            kind, name = _KINDS[address.kind], address.name
            if address.revision:
                kind, name = _REVISION_KINDS[address.kind], f"{name}-{address.revision}"
            return await self._client.get(kind, address.namespace, name)
        finally:
            del self._running[address]


def _candidates(examination: Examination) -> list[Address]:
    if examination.template is not None:
        resource = examination.template.resource
        return [Address(TemplateKind(resource.kind), resource.metadata.namespace, resource.metadata.name)]
    reference = reference_of(examination.instance)
    name, namespace = reference.wanted, reference.template_namespace or reference.namespace
    if name is None or not _NAME.fullmatch(name):
        return []
    namespaces = {TemplateKind.MODEL_TEMPLATE: namespace}
    return [Address(each, namespaces.get(each, ""), name) for each in reference.kinds]
