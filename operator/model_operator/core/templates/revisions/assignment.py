"""Which revision of its template an instance runs: the one that it is pinned to, else the latest valid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from model_operator.api import LATEST, STABLE, ModelInstance
from model_operator.core.objects.conditions import Hold
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.resolution import TemplateLookup, resolve_template
from model_operator.core.templates.revisions.entry_revisions import Pinned, entry_templates, own_revisions
from model_operator.core.values.violations import Loc


class RevisionLookup(Protocol):
    """The stored revisions of templates, in a cache or in a set of files.

    All methods take the template as it is now, valid or not; those that return a revision return what
    :func:`~model_operator.core.templates.revisions.objects.read_revision` gives for it.
    """

    def latest(self, template: CompiledTemplate) -> CompiledTemplate | None:
        """Return the latest valid revision of a template; None while none is stored."""

    def by_hash(self, template: CompiledTemplate, revision: str) -> CompiledTemplate | None:
        """Return the revision of a template that has this hash; None where none is stored."""

    def stable(self, template: CompiledTemplate) -> str:
        """Return the hash of the stable revision of a template; empty while there is none."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """What an instance runs.

    Attributes
    ----------
    template
        The template in the revision that the instance runs; as it is now where no revision of it is stored.
        None where the template does not exist (yet). Where the pinned revision does not exist, the latest
        one, which :func:`~model_operator.core.planning.plan.make_plan` does not render.
    latest
        Hash of the latest valid revision of the template; empty without one.
    hold
        Why the instance, which is not pinned, does not run the latest one; None where it does.
    ahead
        The latest one where the instance may have it as soon as that moves nothing; None with no `hold`.
    pinned
        The revisions of its deployments that name one of their own.
    withdrawn
        The template that the instance is bound to, if it is not shared with its namespace any more; it gets
        no revision of it then.
    """

    template: CompiledTemplate | None = None
    latest: str = ""
    hold: Hold | None = None
    ahead: CompiledTemplate | None = None
    pinned: Pinned = field(default_factory=dict)
    withdrawn: CompiledTemplate | None = None


def assign(instance: ModelInstance, templates: TemplateLookup, revisions: RevisionLookup) -> Assigned:
    """Return the revision of its template that an instance runs.

    Parameters
    ----------
    instance
        The ModelInstance, with its status.
    templates
        The existing templates.
    revisions
        Their stored revisions.
    """
    found = resolve_template(instance, templates)
    if found.usable is None:
        return Assigned(withdrawn=found.template)
    return assign_revision(instance, found.usable, revisions)


def assign_revision(
    instance: ModelInstance, template: CompiledTemplate, revisions: RevisionLookup
) -> Assigned:
    """Return the revision of a known template that an instance runs; parameters as of `assign`."""
    found = revisions.latest(template) or template
    latest = "" if found.violations else found.revision
    stable = revisions.stable(template)
    pinned = entry_templates(instance, template, revisions, found, stable)
    follows_stable = instance.spec.model_template_revision == STABLE
    wanted = stable or None if follows_stable else pinned_revision(instance)
    if wanted is None or wanted == found.revision:
        return Assigned(found, latest, pinned=pinned)
    return Assigned(revisions.by_hash(template, wanted) or found, latest, pinned=pinned)


def pinned_revision(instance: ModelInstance) -> str | None:
    """Return the hash of the revision that an instance is pinned to; None where it follows its template."""
    pin = instance.spec.model_template_revision
    return None if pin in (LATEST, STABLE) else pin


def missing_revisions(instance: ModelInstance, template: CompiledTemplate, pinned: Pinned) -> dict[Loc, str]:
    """Return the hashes that an instance and its deployments name of revisions that do not exist.

    Parameters
    ----------
    instance, template
        The instance, and its template in the revision that it runs.
    pinned
        The revisions of its deployments that name one of their own.

    Returns
    -------
    dict
        The hashes by the path of the field.
    """
    missing: dict[Loc, str] = {}
    pin, name = pinned_revision(instance), "model_template_revision"
    if pin is not None and pin != template.revision:
        missing["spec", name] = pin
    for index, entry in own_revisions(instance):
        named = entry.model_template_revision
        if named not in (None, LATEST, STABLE, pinned.get(entry.name, template).revision):
            missing["spec", "deployments", index, name] = named
    return missing


class NoRevisions:
    """The lookup where no revisions are stored: instances follow their templates as they are now."""

    def latest(self, template: CompiledTemplate) -> CompiledTemplate | None:
        """Return nothing."""
        del template
        return None

    def by_hash(self, template: CompiledTemplate, revision: str) -> CompiledTemplate | None:
        """Return nothing."""
        del template, revision
        return None

    def stable(self, template: CompiledTemplate) -> str:
        """Return nothing."""
        del template
        return ""
