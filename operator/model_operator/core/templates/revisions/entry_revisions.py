"""Which revision each deployment runs that names one of its own: ``deployments[].model_template_revision``.

Whatever the instance follows, waits for or is pinned to, ``latest`` is the latest valid revision of the
template, ``stable`` its stable one, and a hash the revision that has it. So one deployment of a model can
have an edit before the others, as a canary, or stay behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol

from model_operator.api import LATEST, STABLE, InstanceDeployment, ModelInstance
from model_operator.core.templates.compile import CompiledTemplate

Pinned = Mapping[str, CompiledTemplate]
"""The template, in its revision, of each entry of ``spec.deployments`` that names one of its own, by the name
of the entry. An entry whose revision does not exist is missing."""

NONE_PINNED: Final[Pinned] = MappingProxyType({})


class _Stored(Protocol):
    """A :class:`~model_operator.core.templates.revisions.assignment.RevisionLookup`, as far as it is used."""

    def by_hash(self, template: CompiledTemplate, revision: str) -> CompiledTemplate | None:
        """Return the revision of a template that has this hash; None where none is stored."""


def entry_templates(
    instance: ModelInstance,
    template: CompiledTemplate,
    revisions: _Stored,
    latest: CompiledTemplate,
    stable: str,
) -> Pinned:
    """Return the revisions that the deployments of an instance name themselves.

    Parameters
    ----------
    instance
        The ModelInstance.
    template
        Its template as it is now, valid or not.
    revisions
        The stored revisions of the template.
    latest
        The latest valid revision of the template; the template itself where none is stored.
    stable
        Hash of its stable revision, or empty: then the latest one is meant.
    """
    found = {}
    for _, entry in own_revisions(instance):
        named = stable if entry.model_template_revision == STABLE else entry.model_template_revision
        if named in ("", LATEST, latest.revision):
            found[entry.name] = latest
            continue
        stored = revisions.by_hash(template, str(named))
        if stored is not None:
            found[entry.name] = stored
        elif entry.model_template_revision == STABLE:
            found[entry.name] = latest
    return found


def own_revisions(instance: ModelInstance) -> Iterator[tuple[int, InstanceDeployment]]:
    """Yield the entries of ``spec.deployments`` that name a revision of their own, with their index."""
    for index, entry in enumerate(instance.spec.deployments or ()):
        if entry.model_template_revision is not None:
            yield index, entry


def entries_behind(
    instance: ModelInstance, pinned: Pinned, latest: str
) -> tuple[tuple[int, InstanceDeployment], ...]:
    """Return the entries that run another revision than the latest because they name it, with their index.

    Those without a revision of their own are not among them: they run that of the instance.

    Parameters
    ----------
    instance
        The ModelInstance.
    pinned
        The revisions of its entries, from `entry_templates`. One whose revision does not exist counts, too.
    latest
        Hash of the latest valid revision of the template.
    """
    return tuple(
        (index, entry)
        for index, entry in own_revisions(instance)
        if (pinned[entry.name].revision if entry.name in pinned else entry.model_template_revision)
        not in (LATEST, latest)
    )


def templates_used(
    instance: ModelInstance, template: CompiledTemplate, pinned: Pinned
) -> list[CompiledTemplate]:
    """Return the template in each revision that a deployment of an instance runs, each once.

    Parameters
    ----------
    instance, template
        The instance, and its template in the revision that it runs.
    pinned
        The revisions of its entries, from `entry_templates`.
    """
    entries = instance.spec.deployments
    used = [pinned.get(entry.name, template) for entry in entries or ()] or [template]
    return list({each.revision: each for each in used}.values())


def named_revisions(instance: Mapping[str, Any]) -> set[str]:
    """Return what an instance and its deployments have as ``model_template_revision``.

    Parameters
    ----------
    instance
        A ModelInstance as the API server has it; never raises, whatever its specification is.
    """
    spec = instance.get("spec")
    return _texts("model_template_revision", spec, *_items(spec, "deployments"))


def reported_revisions(instance: Mapping[str, Any]) -> set[str]:
    """Return the hashes of the revisions that an instance and its deployments run, as its status has them.

    Parameters
    ----------
    instance
        As of `named_revisions`.
    """
    status = instance.get("status")
    bound = status.get("template") if isinstance(status, Mapping) else None
    return _texts("revision", bound) | _texts("template_revision", *_items(status, "deployments"))


def rollout_revisions(template: Mapping[str, Any]) -> set[str]:
    """Return the hashes of the revisions that the roll-outs of a template name: stable and approved.

    Parameters
    ----------
    template
        A template as the API server has it; never raises, whatever its specification is.
    """
    spec = template.get("spec")
    rollout = spec.get("rollout") if isinstance(spec, Mapping) else None
    return _texts("stable_revision", template.get("status")) | _texts("approved", rollout)


def _items(holder: Any, name: str) -> Sequence[Any]:
    items = holder.get(name) if isinstance(holder, Mapping) else None
    return items if isinstance(items, list) else ()


def _texts(name: str, *holders: Any) -> set[str]:
    found = (each.get(name) for each in holders if isinstance(each, Mapping))
    return {each for each in found if isinstance(each, str)}
