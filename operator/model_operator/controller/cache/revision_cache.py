"""The stored revisions of templates in memory: which of them instances run, and which are in use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from model_operator.api import TemplateKind
from model_operator.core.reasons.refusals import Failure
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.revisions.kept import (
    Kept,
    is_genuine,
    kept_revision,
    newest_first,
    restored,
)
from model_operator.core.templates.revisions.objects import read_revision
from model_operator.core.values.violations import Violation
from model_operator.kube.object_cache import NamespacedName, Object, ObjectCache


class Offer(NamedTuple):
    """What a template offers to its instances: only a change of it needs their reconcile.

    Attributes
    ----------
    revision
        Hash of the latest valid revision; of what the template specifies now while none is stored.
    is_stored
        Whether it is stored.
    violations
        Why there is none.
    failure
        Why it could not be stored.
    """

    revision: str
    is_stored: bool = True
    violations: tuple[Violation, ...] = ()
    failure: Failure | None = None


class RevisionCache:
    """The stored revisions; a :class:`~model_operator.core.templates.revisions.assignment.RevisionLookup`.

    A revision belongs to the template of its name, whatever template object it was stored for: so a template
    that is deleted and created again, or a cluster that is built again, finds its revisions.

    Parameters
    ----------
    templates
        The cached templates by kind.
    free_domains
        ``free_metadata_domains`` of `model_operator.core.templates.render_settings.RenderSettings`.
    stored
        The kinds of templates whose revisions are stored before instances run them. Instances follow a
        template of another kind directly: as an operator for some namespaces, which has no rights on cluster-
        scoped objects.

    Attributes
    ----------
    caches
        The revisions by the kind of their template.
    """

    def __init__(
        self,
        templates: Mapping[TemplateKind, ObjectCache],
        free_domains: Collection[str] = (),
        stored: Collection[TemplateKind] = (),
    ) -> None:
        self._templates = templates
        self._free_domains = free_domains
        self._stored = frozenset(stored)
        self.caches = {
            kind: ObjectCache(is_typed=True, form=kept_revision, template=_template_keys)
            for kind in TemplateKind
        }
        self._compiled: dict[str, tuple[tuple[str, int], CompiledTemplate | None]] = {}
        self._failures: dict[str, Failure] = {}
        self._offers: dict[str, Offer] = {}
        self._stable: dict[str, str] = {}
        self._held: Counter[tuple[str, str]] = Counter()

    def stores(self, kind: TemplateKind) -> bool:
        """Return whether the revisions of a kind of template are stored before instances run them."""
        return kind in self._stored

    def of(self, template: CompiledTemplate) -> list[Kept]:
        """Return the genuine revisions of a template, the newest first."""
        metadata = template.resource.metadata
        cache = self.caches[TemplateKind(template.resource.kind)]
        return newest_first(cache.find("template", (metadata.namespace, metadata.name)))

    def has_current(self, template: CompiledTemplate) -> bool:
        """Return whether the revision of what a valid template specifies now is stored."""
        return not template.violations and any(
            each["hash"] == template.revision for each in self.of(template)
        )

    def latest(self, template: CompiledTemplate) -> CompiledTemplate | None:
        """Return the latest valid revision of a template; None while none is stored.

        That is the one of what it specifies now, if it is valid and stored; else the last one, as its status
        says; else, where the status is lost, the one with the highest number. Those of a deleted template of
        the same name, which are about to be deleted, are none of a template that was never valid.

        The last one may have been deleted by hand, or be invalid for this version or configuration of the
        operator. No older one takes its place: instances would go back to that. It is stored again while the
        template still specifies it; else instances are left unchanged.
        """
        if not self.stores(TemplateKind(template.resource.kind)):
            return None
        if self.has_current(template):
            return template
        last, owner = self._status_of(template).get("latest_revision"), template.resource.metadata.uid
        if last and last == template.revision and not template.violations:
            return template
        for each in self.of(template):
            if each["hash"] == last if last else each["owner"] in (None, owner):
                found = self._read(each, template)
                if found is not None and not found.violations:
                    return found
        return None

    def by_hash(self, template: CompiledTemplate, revision: str) -> CompiledTemplate | None:
        """Return the revision of a template that has this hash; None where none is stored."""
        found = next((each for each in self.of(template) if each["hash"] == revision), None)
        return None if found is None else self._read(found, template)

    def stable(self, template: CompiledTemplate) -> str:
        """Return the hash of the stable revision of a template, as its status says; empty without one."""
        if not self.stores(TemplateKind(template.resource.kind)):
            return ""
        return str(self._status_of(template).get("stable_revision") or "")

    def is_awaited(self, template: CompiledTemplate) -> bool:
        """Return whether a template is valid and no revision of it is stored yet."""
        is_stored = self.stores(TemplateKind(template.resource.kind))
        return is_stored and not template.violations and self.latest(template) is None

    def failure(self, uid: str) -> Failure | None:
        """Return why the revision of a template could not be stored; None if it was, or was not tried."""
        return self._failures.get(uid)

    def note(self, uid: str, failure: Failure | None) -> None:
        """Note whether the revision of a template could be stored, if the template still exists."""
        if failure is not None and any(cache.by_uid(uid) for cache in self._templates.values()):
            self._failures[uid] = failure
        else:
            self._failures.pop(uid, None)

    def is_news(self, template: CompiledTemplate) -> bool:
        """Return whether a template offers something else to its instances than when this was last called."""
        uid = template.resource.metadata.uid
        latest = self.latest(template)
        offer = (
            Offer(template.revision, False, template.violations, self._failures.get(uid))
            if latest is None
            else Offer(latest.revision)
        )
        known = self._offers.get(uid)
        self._offers[uid] = offer
        return known != offer

    def is_other_stable(self, template: CompiledTemplate) -> bool:
        """Return whether the stable revision of a template is another than when this was last called."""
        uid, stable = template.resource.metadata.uid, self.stable(template)
        known = self._stable.get(uid, "")
        self._stable[uid] = stable
        return known != stable

    def next_number(self, template: CompiledTemplate) -> int:
        """Return the number of the next revision of a template."""
        return 1 + max((each["number"] for each in self.of(template)), default=0)

    @contextmanager
    def held(self, templates: Iterable[CompiledTemplate]) -> Iterator[None]:
        """Keep revisions in use: from when an instance is rendered from them until its status says so."""
        keys = {(each.resource.metadata.uid, each.revision) for each in templates}
        self._held.update(keys)
        try:
            yield
        finally:
            self._held.subtract(keys)
            for key in keys:
                if not self._held[key]:
                    del self._held[key]

    def held_of(self, uid: str) -> set[str]:
        """Return the hashes of the revisions of a template that are held."""
        return {revision for owner, revision in self._held if owner == uid}

    def forget_template(self, uid: str) -> None:
        """Drop what is known of a deleted template."""
        self._failures.pop(uid, None)
        self._offers.pop(uid, None)
        self._stable.pop(uid, None)

    def forget_revision(self, uid: str) -> None:
        """Drop the compiled form of a deleted revision."""
        self._compiled.pop(uid, None)

    def _status_of(self, template: CompiledTemplate) -> Mapping[str, Any]:
        resource = template.resource
        known = self._templates[TemplateKind(resource.kind)].by_uid(resource.metadata.uid)
        return (known or {}).get("status") or {}

    def _read(self, kept: Kept, template: CompiledTemplate) -> CompiledTemplate | None:
        """Return a revision in compiled form; compiled once per generation of its template."""
        uid, resource = kept["metadata"]["uid"], template.resource
        version = resource.metadata.uid, resource.metadata.generation or 0
        known = self._compiled.get(uid)
        if known is None or known[0] != version:
            known = version, read_revision(restored(kept), resource, self._free_domains)
            self._compiled[uid] = known
        return known[1]


def _template_keys(kept: Object) -> list[NamespacedName]:
    return [(kept["metadata"].get("namespace", ""), kept["template"])] if is_genuine(kept) else []
