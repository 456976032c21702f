"""Render the desired children of an instance from its compiled template."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from model_operator.api import ModelInstance
from model_operator.core.parameters.schemas.budget import SHARED_WORK_LIMIT, Budget
from model_operator.core.parameters.schemas.evaluation import Evaluation
from model_operator.core.rendering.deployment_job import DeploymentJob, deployment_name
from model_operator.core.rendering.desired_child import DesiredChild
from model_operator.core.rendering.rendered_deployment import RenderedDeployment
from model_operator.core.rendering.worker_counts import excess_workers
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.pod import PodProgram
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.revisions.entry_revisions import NONE_PINNED, Pinned
from model_operator.core.values.limits import MAX_VIOLATIONS
from model_operator.core.values.violations import InvalidObjectError, Violation, sort_violations


@dataclass(frozen=True, slots=True)
class Rendering:
    """All desired children of an instance.

    Attributes
    ----------
    deployments
        The rendered entries, in the order of ``spec.deployments``. Empty if the instance has none or has
        violations.
    violations
        Violations of the instance, sorted by path.
    """

    deployments: tuple[RenderedDeployment, ...]
    violations: tuple[Violation, ...]

    @property
    def children(self) -> list[DesiredChild]:
        """The children of all deployments."""
        return [child for rendered in self.deployments for child in rendered.children]


def render(
    compiled: CompiledTemplate,
    instance: ModelInstance,
    settings: RenderSettings | None = None,
    pinned: Pinned = NONE_PINNED,
) -> Rendering:
    """Render an instance. The same input gives the same output, byte for byte.

    Parameters
    ----------
    compiled
        The instance's template, in the revision that it runs.
    instance
        The instance. The default of ``metadata.namespace`` is ``default``. Without a uid, as before it is
        created in a cluster, its children have no owner.
    settings
        The settings of rendering. Default: the built-in settings.
    pinned
        The template in the revisions of the deployments that name one of their own, by the name of the entry
        (`model_operator.core.templates.revisions.entry_revisions`). That revision validates their parameters.

    Raises
    ------
    InvalidObjectError
        The template has violations in a revision that is used, so the desired children are unknown.
    """
    settings = RenderSettings() if settings is None else settings
    jobs = _jobs(compiled, instance, pinned)
    violations = _faults(jobs, instance, settings)
    if violations:
        return Rendering((), violations)
    return Rendering(tuple(job.render(settings) for job in jobs), ())


def rendering_faults(
    compiled: CompiledTemplate,
    instance: ModelInstance,
    settings: RenderSettings,
    pinned: Pinned = NONE_PINNED,
) -> tuple[Violation, ...]:
    """Return the violations that `render` would return, without rendering.

    Parameters
    ----------
    compiled, instance, settings, pinned
        As for `render`.

    Raises
    ------
    InvalidObjectError
        The template has violations.
    """
    return _faults(_jobs(compiled, instance, pinned), instance, settings)


def instance_faults(
    compiled: CompiledTemplate, instance: ModelInstance, most: int, entries: Collection[str] | None = None
) -> tuple[Violation, ...]:
    """Return the violations that do not depend on the settings of rendering, more of them than `render` does.

    Parameters
    ----------
    compiled, instance
        As for `render`.
    most
        Maximum number of violations of the parameters of one deployment.
    entries
        Names of the entries of ``spec.deployments`` that are checked. Default: all.

    Raises
    ------
    InvalidObjectError
        The template has violations.
    """
    jobs = _jobs(compiled, instance, NONE_PINNED, most, entries)
    return sort_violations(_violations(jobs))


def deployment_names(instance: ModelInstance) -> list[str]:
    """Return the names of the Deployments that an instance specifies, in the order of ``spec.deployments``.

    Parameters
    ----------
    instance
        The instance. One without ``model_template_id`` has none.
    """
    if instance.spec.model_template_id is None:
        return []
    entries = instance.spec.deployments
    return [deployment_name(instance, entry) for entry in ([None] if entries is None else entries)]


def _jobs(
    compiled: CompiledTemplate,
    instance: ModelInstance,
    pinned: Pinned,
    most: int = MAX_VIOLATIONS,
    names: Collection[str] | None = None,
) -> list[DeploymentJob]:
    entries = instance.spec.deployments
    if entries is None:
        return [DeploymentJob(instance, compiled, _pod(compiled), most=most)]
    if not entries:
        _pod(compiled)
    # One budget for all deployments, whatever revisions they run.
    budget, evaluations = Budget(SHARED_WORK_LIMIT), dict[str, Evaluation]()
    jobs = []
    for index, entry in enumerate(entries):
        if names is not None and entry.name not in names:
            continue
        template = pinned.get(entry.name, compiled)
        pod, revision = _pod(template), template.revision
        if revision not in evaluations:
            evaluations[revision] = template.parameters.evaluator.evaluation(budget)
        note = "" if revision == compiled.revision else revision
        jobs.append(DeploymentJob(instance, template, pod, index, entry, evaluations[revision], most, note))
    return jobs


def _pod(template: CompiledTemplate) -> PodProgram:
    if template.pod is None:
        raise InvalidObjectError(template.violations)
    return template.pod


def _faults(
    jobs: list[DeploymentJob], instance: ModelInstance, settings: RenderSettings
) -> tuple[Violation, ...]:
    total = sum(job.workers.max_workers for job in jobs)
    excess = excess_workers(instance.spec, total, settings.max_workers_per_instance)
    return sort_violations([*_violations(jobs), *excess])


def _violations(jobs: list[DeploymentJob]) -> Iterator[Violation]:
    """Yield the violations of all deployments: what is wrong in each revision is said once, without one."""
    known = {each for job in jobs if not job.has_other_revision for each in job.violations}
    yield from known
    for job in jobs:
        yield from job.other_violations(known)
