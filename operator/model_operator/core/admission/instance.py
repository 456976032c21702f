"""Whether a ModelInstance is admitted: by itself, and against its template."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from model_operator.api import GROUP, STABLE, ModelInstance
from model_operator.core.admission.change import Change
from model_operator.core.admission.renaming import renaming_warnings
from model_operator.core.admission.verdict import ALLOWED, Verdict, invalid, warnings_for
from model_operator.core.objects.gateway_label import gateway_label_fault
from model_operator.core.planning.plan import find_problem, not_shared
from model_operator.core.reasons.reasons import Reason
from model_operator.core.reasons.refusals import Failure
from model_operator.core.rendering.deployment_job import in_revision
from model_operator.core.rendering.worker_counts import excess_workers, stated_workers
from model_operator.core.rollouts.course import is_decided_in_steps
from model_operator.core.status.template import is_rejected
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_instance
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.resolution import TemplateLookup, resolve_template
from model_operator.core.templates.revisions.assignment import (
    Assigned,
    NoRevisions,
    RevisionLookup,
    pinned_revision,
)
from model_operator.core.templates.revisions.entry_revisions import Pinned, entry_templates
from model_operator.core.values.limits import check_limits
from model_operator.core.values.violations import Loc, Violation, sort_violations

_NIL_UID = "00000000-0000-0000-0000-000000000000"


ADMISSION_LABEL = f"{GROUP}/admission"
"""Label of a namespace that decides how its instances are validated, with a value of `Enforcement`."""
LABEL_RULE = "must be deny or warn, in lower case; any other value has no effect"

_FITS_LATER = (
    "spec fits the latest revision of the template, and not the stable one; its workers stay as they are "
    "until the roll-out to all that follow latest is complete"
)


class Enforcement(StrEnum):
    """How an instance that does not fit its template is handled."""

    DENY = "deny"
    """The write is denied: the user is present and can correct it."""
    WARN = "warn"
    """The write is allowed with warnings, and the reconciler reports the problem. A GitOps controller may
    apply an instance before the template that it needs; a denial would keep it from ever applying the
    template."""


def enforcement_for(username: str, warn_only: Iterable[str]) -> Enforcement:
    """Return how strictly the instances of a user are validated.

    Parameters
    ----------
    username
        ``userInfo.username`` of the request.
    warn_only
        Patterns (``*``, ``?``) of the names of users that apply in batches.
    """
    batch = any(fnmatchcase(username, pattern) for pattern in warn_only)
    return Enforcement.WARN if batch else Enforcement.DENY


@dataclass(frozen=True, slots=True)
class Examination:
    """Result of the validation of an instance that is about to be written.

    Attributes
    ----------
    instance
        The instance, parsed.
    own
        Violations that do not depend on its template.
    template
        The template, in the revision, that it was validated against; None without one.
    problem
        Why it cannot be deployed with its template as both are; None when it can.
    violations
        Violations of its template's rules; the reconciler reports the same.
    pinned
        The revisions of its deployments that name one of their own.
    fits_later
        Whether it does not fit the revision that it runs, but one that it may get by the roll-out of its
        template.
    """

    instance: ModelInstance
    own: tuple[Violation, ...] = ()
    template: CompiledTemplate | None = None
    problem: Failure | None = None
    violations: tuple[Violation, ...] = ()
    pinned: Pinned = field(default_factory=dict)
    fits_later: bool = False

    @property
    def depends_on_template(self) -> bool:
        """Whether a newer version of the template, or its creation, could change the verdict."""
        return not self.own and self.problem is not None


_NO_REVISIONS = NoRevisions()


def examine_instance(
    change: Change,
    templates: TemplateLookup,
    settings: RenderSettings,
    revisions: RevisionLookup = _NO_REVISIONS,
) -> Examination:
    """Validate an instance by the same functions as the reconciler.

    Parameters
    ----------
    change
        The write; its object is a ModelInstance.
    templates
        The templates that exist.
    settings
        The cluster's conventions.
    revisions
        The stored revisions of the templates; none by default.
    """
    instance, violations = parse_instance(_named(change))
    if violations:
        return Examination(instance, own=violations)
    found = resolve_template(instance, templates)
    if found.is_withdrawn and found.template is not None:
        own = sort_violations(_beyond_limits(instance, settings))
        return Examination(instance, own, problem=not_shared(found.template))
    assigned, *others = _assignments(instance, found.template, revisions)
    examination = _examined(instance, assigned, settings)
    if examination.problem is None or not others:
        return examination
    for other in others:
        later = _examined(instance, other, settings)
        if later.problem is None:
            return replace(later, fits_later=True)
    runs = examination.template
    if runs is None or runs.revision == assigned.latest:
        return examination
    # The rules are not those that the template has now.
    return replace(examination, violations=tuple(in_revision(examination.violations, runs.revision)))


def _examined(instance: ModelInstance, assigned: Assigned, settings: RenderSettings) -> Examination:
    template, pinned = assigned.template, assigned.pinned
    problem, violations = find_problem(instance, template, settings, pinned)
    # Without `deployments`, these are the parameters that `find_problem` has already validated.
    is_within_limits = template is not None and problem is None and instance.spec.deployments is None
    own = () if is_within_limits else sort_violations(_beyond_limits(instance, settings))
    return Examination(instance, own, template, problem, violations, pinned)


def _assignments(
    instance: ModelInstance, template: CompiledTemplate | None, revisions: RevisionLookup
) -> list[Assigned]:
    """Return the revisions that the instance may run: now, and once the roll-out of its template reaches it.

    A valid template counts as it is now: its edit may be part of the same commit, and not be stored yet.
    """
    if template is None:
        return [Assigned()]
    stable = revisions.stable(template)
    latest = revisions.latest(template) or template if template.violations else template
    pinned = entry_templates(instance, template, revisions, latest, stable)
    at_latest = Assigned(latest, "" if latest.violations else latest.revision, pinned=pinned)
    pin = pinned_revision(instance)
    if pin is not None:
        found = latest if pin == latest.revision else revisions.by_hash(template, pin)
        return [replace(at_latest, template=found or latest)]
    if not is_decided_in_steps(instance, template):
        return [at_latest]
    current = _current_revision(instance, template)
    runs = revisions.by_hash(template, current or stable)
    if runs is None or runs.revision == latest.revision:
        return [at_latest]
    at_own = replace(at_latest, template=runs)
    follows_stable = instance.spec.model_template_revision == STABLE
    # A new instance gets the latest one, unless that is held back.
    return [at_own, at_latest] if current or follows_stable else [at_latest, at_own]


def _current_revision(instance: ModelInstance, template: CompiledTemplate) -> str:
    """Return the hash of the revision of this template that the instance runs; empty for a new one."""
    bound, resource = instance.status.template, template.resource
    if bound is None or (bound.kind, bound.name) != (resource.kind, resource.metadata.name):
        return ""
    if resource.metadata.namespace not in ("", bound.namespace or instance.metadata.namespace):
        return ""
    return bound.revision or ""


def examine_alone(change: Change, settings: RenderSettings) -> Examination:
    """Validate an instance by itself, without its template.

    Parameters
    ----------
    change
        The write; its object is a ModelInstance.
    settings
        The cluster's conventions.
    """
    instance, violations = parse_instance(_named(change))
    return Examination(instance, own=violations or sort_violations(_beyond_limits(instance, settings)))


def review_instance(
    examination: Examination,
    change: Change,
    enforcement: Enforcement,
    template_status: Mapping[str, Any] | None = None,
) -> Verdict:
    """Decide on the write of an instance.

    An instance that is invalid by itself is denied to every user. One that does not fit its template is
    denied or allowed with warnings. A missing, invalid or rejected template is no fault of the instance: it
    is allowed with a warning, since it will be deployed without another write. A change that removes
    Deployments is allowed with a warning that names them, and so is a label of ours without effect.

    Parameters
    ----------
    examination
        Result of the validation.
    change
        The write.
    enforcement
        How strictly instances of this user and namespace are validated.
    template_status
        ``status`` of the template in the examination; None without one.
    """
    verdict = _decide(examination, change, enforcement, template_status or {})
    if not verdict.allowed:
        return verdict
    return verdict.with_warnings([*label_warnings(change), *renaming_warnings(change, examination.instance)])


def label_warnings(change: Change) -> tuple[str, ...]:
    """Return the warning for a label of the instance that has no effect.

    Parameters
    ----------
    change
        The write.
    """
    fault = gateway_label_fault(change.obj["metadata"].get("labels"))
    return () if fault is None else warnings_for(change.kind, change.name, (fault,))


def _decide(
    examination: Examination, change: Change, enforcement: Enforcement, template_status: Mapping[str, Any]
) -> Verdict:
    kind, name, problem = change.kind, change.name, examination.problem
    faults = examination.violations or examination.own
    if examination.own or (faults and enforcement is Enforcement.DENY):
        return invalid(kind, name, faults)
    if problem is not None and problem.reason is Reason.TemplateRevisionNotFound:
        detail = "it will be deployed when the revision exists"
        return ALLOWED.with_warnings([f"{each}; {detail}" for each in warnings_for(kind, name, faults)])
    if faults:
        return ALLOWED.with_warnings(warnings_for(kind, name, faults))
    if examination.fits_later and examination.instance.spec.model_template_revision == STABLE:
        return ALLOWED.with_warnings([f"{kind} {name}: {_FITS_LATER}"])
    if problem is None:
        return _of_rejected(examination, f"{kind} {name}", template_status)
    detail = problem.detail.rstrip(".")
    if problem.reason is Reason.TemplateNotFound:
        detail += "; the instance will be validated and deployed when the template exists and is shared"
    elif problem.reason is Reason.TemplateInvalid:
        detail += "; the instance will be validated and deployed when the template is fixed"
    elif problem.reason is Reason.TemplateNotShared:
        detail += "; the instance will be validated and changed when it is shared again"
    return ALLOWED.with_warnings([f"{kind} {name}: {detail}"])


def _of_rejected(examination: Examination, subject: str, status: Mapping[str, Any]) -> Verdict:
    """Allow the write, with a warning if the dry run of the template was rejected."""
    template = examination.template
    if template is None or not is_rejected(status, template.resource.metadata.generation):
        return ALLOWED
    if status.get("latest_revision"):
        return ALLOWED  # It runs that one, or the one that it names: what is rejected is no revision.
    resource = template.resource
    detail = (
        f"the API server rejects the pods of {resource.kind} {resource.metadata.name} "
        "(PodTemplateRejected); the instance will be deployed when the template is fixed"
    )
    return ALLOWED.with_warnings([f"{subject}: {detail}"])


def _beyond_limits(instance: ModelInstance, settings: RenderSettings) -> Iterator[Violation]:
    """Yield violations of limits that hold for every template: size of parameters, number of workers."""
    spec = instance.spec
    yield from excess_workers(spec, stated_workers(spec), settings.max_workers_per_instance)
    yield from _limits(spec.model_creation_parameters, ("spec", "model_creation_parameters"))
    for index, entry in enumerate(spec.deployments or ()):
        loc: Loc = ("spec", "deployments", index, "model_creation_parameters")
        yield from _limits(entry.model_creation_parameters, loc)


def _limits(parameters: dict[str, object] | None, loc: Loc) -> tuple[Violation, ...]:
    return check_limits(parameters, loc) if parameters else ()


def _named(change: Change) -> dict[str, object]:
    """Return the object with placeholders for the name and uid that the API server sets later.

    The template may refer to both.
    """
    metadata = dict(change.obj["metadata"])
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = f"{metadata['generateName']}xxxxx"
    metadata["uid"] = metadata.get("uid") or _NIL_UID
    return {**change.obj, "metadata": metadata}
