"""Rendering one deployment of an instance: its values, their violations, and its children."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from model_operator.api import (
    API_VERSION,
    ZERO_WORKERS,
    Autoscaler,
    DeploymentVendorConfiguration,
    EndpointConfig,
    InstanceDeployment,
    ModelInstance,
)
from model_operator.api.service import ServiceConfig
from model_operator.core.objects.ownership import (
    COMPONENT,
    COMPONENT_LABEL,
    DEPLOYMENT_LABEL,
    INSTANCE_LABEL,
    MANAGED_BY,
    MANAGER,
)
from model_operator.core.parameters.schemas.evaluation import Evaluation
from model_operator.core.parameters.validation import validate_parameters
from model_operator.core.rendering.autoscaler import render_autoscaler
from model_operator.core.rendering.deployment import render_deployment
from model_operator.core.rendering.desired_child import DesiredChild
from model_operator.core.rendering.disruption_budget import render_disruption_budget
from model_operator.core.rendering.metrics import metric_faults, render_metrics
from model_operator.core.rendering.rendered_deployment import RenderedDeployment
from model_operator.core.rendering.service import render_service, service_url
from model_operator.core.rendering.serving import render_serving
from model_operator.core.rendering.worker_counts import (
    NO_WORKERS,
    WorkerBounds,
    overrides,
    worker_bounds,
)
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.pod import MAX_VALUES, PodProgram
from model_operator.core.templates.references import Scope
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.value_faults import ValueFault
from model_operator.core.values.limits import MAX_VIOLATIONS
from model_operator.core.values.violations import Loc, Violation

_PARAMETERS_LOC: Loc = ("spec", "model_creation_parameters")


class DeploymentJob:
    """The rendering of one deployment entry: its values and their violations.

    Those of an entry with another revision than the instance name it, since they may be about what the
    instance sets for all.

    Parameters
    ----------
    instance
        The instance.
    compiled, pod
        Its template in the revision of the deployment, without violations, and the pod template of that.
    index, entry
        The entry of ``spec.deployments``; None for the implied one.
    evaluation
        An evaluation of the schema of `compiled`, whose budget other entries share. Default: a new one.
    most
        Maximum number of violations of the parameters.
    other_revision
        Hash of the revision, if the instance itself has another one; else empty.
    """

    def __init__(
        self,
        instance: ModelInstance,
        compiled: CompiledTemplate,
        pod: PodProgram,
        index: int | None = None,
        entry: InstanceDeployment | None = None,
        evaluation: Evaluation | None = None,
        most: int = MAX_VIOLATIONS,
        other_revision: str = "",
    ) -> None:
        self.instance = instance
        self.spec = compiled.resource.spec
        self.template_revision = compiled.revision
        self.pod = pod
        self.child_metadata = compiled.metadata
        self.stated_name = compiled.served_model_name
        self.index = index
        self.entry = entry
        own = (entry.model_creation_parameters if entry else None) or {}
        self.own_parameters = own.keys()
        given = {**(instance.spec.model_creation_parameters or {}), **own}
        values, faults = validate_parameters(compiled.parameters, given, (), evaluation, most)
        self.scope = Scope(values, _instance_fields(instance))
        self.violations = [
            Violation(self.parameter_loc(fault.loc), fault.msg, fault.type) for fault in faults
        ]
        if not faults:
            self.violations += self.value_faults()
        self.violations += self.worker_faults()
        self._other_revision = other_revision

    @property
    def has_other_revision(self) -> bool:
        """Whether it is rendered from another revision than the instance has."""
        return bool(self._other_revision)

    def other_violations(self, known: Collection[Violation]) -> Iterator[Violation]:
        """Yield the violations that are not known, with the revision if the instance has another one."""
        others = (each for each in self.violations if each not in known)
        yield from in_revision(others, self._other_revision) if self._other_revision else others

    def parameter_loc(self, path: Loc) -> Loc:
        """Return the path of a parameter: in the entry if it sets the parameter, else in the instance."""
        if self.index is not None and path and path[0] in self.own_parameters:
            return ("spec", "deployments", self.index, "model_creation_parameters", *path)
        return (*_PARAMETERS_LOC, *path)

    def value_faults(self) -> list[Violation]:
        """Check valid values in the fields in which the template uses them."""
        others = [*self.child_metadata.texts, *([self.stated_name] if self.stated_name else ())]
        if self.pod.size(self.scope, others) > MAX_VALUES:
            message = (
                f"must add at most {MAX_VALUES // 1024} KiB to the pod, each value counted wherever the "
                "template uses it; give shorter values"
            )
            return [Violation(self.own_parameters_loc(), message, "too_large")]
        faults = (
            *self.pod.faults(self.scope),
            *self.child_metadata.faults(self.scope),
            *metric_faults(self.endpoint, self.scope),
        )
        return [self.unusable(fault) for fault in faults]

    def own_parameters_loc(self) -> Loc:
        """Return the path of the parameters: in the entry if it sets any, else in the instance."""
        if self.index is not None and self.own_parameters:
            return ("spec", "deployments", self.index, "model_creation_parameters")
        return _PARAMETERS_LOC

    def unusable(self, fault: ValueFault) -> Violation:
        """Return the violation of a value that cannot stand where the template uses it."""
        reference, message = fault.reference, f"must be {fault.expected}"
        if reference.source == "parameters":
            return Violation(self.parameter_loc((reference.name,)), message, fault.type)
        # Account ids may be any text; names, namespaces and uids are always valid in an image.
        return Violation(("spec", reference.name), message, fault.type)

    def worker_faults(self) -> list[Violation]:
        """Check the worker settings of entry and instance together with those of the template."""
        given = overrides(self.instance.spec, self.entry)
        workers = worker_bounds(self.endpoint, given)
        if workers.min_workers > workers.max_workers:
            loc = self.setting_loc("max_workers", "min_workers")
            message = (
                "min_workers must be at most max_workers, and one of them comes from the template or the "
                "instance; set both"
            )
        elif workers.min_workers == 0 and not (
            workers.is_external or self.endpoint.can_be_zero(workers.max_workers, Autoscaler.HPA)
        ):
            loc = self.setting_loc("min_workers", "max_workers", "autoscaler")
            message = f"{ZERO_WORKERS}; give both"
        else:
            return []
        return [Violation(loc, message, "workers")] if loc else []

    def setting_loc(self, *names: str) -> Loc | None:
        """Return the path of the first of these that the entry sets, else that the instance sets."""
        shared, own = overrides(self.instance.spec, self.entry)
        levels: tuple[tuple[DeploymentVendorConfiguration | None, Loc], ...] = (
            (own, ("spec", "deployments", self.index or 0, "vendor_configuration")),
            (shared, ("spec", "vendor_configuration")),
        )
        for settings, loc in levels:
            for name in names:
                if settings is not None and getattr(settings, name) is not None:
                    return (*loc, name)
        return None

    @property
    def workers(self) -> WorkerBounds:
        """The bounds, whether or not the instance is suspended."""
        given = overrides(self.instance.spec, self.entry)
        return worker_bounds(self.endpoint, given, self.instance.spec.replicas)

    @property
    def endpoint(self) -> EndpointConfig:
        """The worker settings of the template."""
        return self.spec.vendor_configuration.endpoint_config

    @property
    def service(self) -> ServiceConfig:
        """The settings of the Service of the template."""
        return self.spec.service or ServiceConfig()

    @property
    def served_name(self) -> str | None:
        """The template's name of the model at its server, with its values."""
        return None if self.stated_name is None else self.stated_name.render(self.scope, kubelet=False)

    def _own_metadata(self, *, service: bool = False) -> Mapping[str, Mapping[str, str]]:
        return self.child_metadata.render(self.scope, service=service)

    def render(self, settings: RenderSettings) -> RenderedDeployment:
        """Return the children; of a job without violations."""
        metadata = self.instance.metadata
        name = deployment_name(self.instance, self.entry)
        selector = {INSTANCE_LABEL: metadata.name, DEPLOYMENT_LABEL: name}
        labels = {MANAGED_BY: MANAGER, COMPONENT_LABEL: COMPONENT, **selector}
        workers = NO_WORKERS if self.instance.spec.suspend else self.workers
        own = self._own_metadata()
        pod, port_name = self.pod.render(self.scope, labels, settings), self.pod.port_name
        deployment = render_deployment(
            metadata=_child_metadata(self.instance, name, labels, own),
            selector=selector,
            pod=pod,
            replicas=None if workers.is_autoscaled or workers.is_external else workers.min_workers,
            endpoint=self.endpoint,
            strategy=self.spec.strategy,
        )
        service = budget = autoscaler = None
        if self.spec.endpoint_type.serves_http and port_name is not None:
            service = render_service(
                metadata=_child_metadata(self.instance, name, labels, self._own_metadata(service=True)),
                selector=selector,
                pod=pod,
                port_name=port_name,
                config=self.service,
            )
        if workers.may_be_several:
            budget = render_disruption_budget(
                metadata=_child_metadata(self.instance, name, labels, own), selector=selector
            )
        if workers.is_autoscaled:
            autoscaler = render_autoscaler(
                metadata=_child_metadata(self.instance, name, labels, own),
                workers=workers,
                metrics=render_metrics(self.endpoint, workers.per_worker, self.scope),
                behavior=self.endpoint.behavior,
            )
        has_own_revision = self.entry is not None and self.entry.model_template_revision is not None
        return RenderedDeployment(
            entry=self.entry.name if self.entry else None,
            name=name,
            workers=workers.min_workers,
            deployment=DesiredChild(deployment, workers.least, workers.first, self.template_revision),
            service=DesiredChild(service) if service else None,
            disruption_budget=DesiredChild(budget) if budget else None,
            autoscaler=DesiredChild(autoscaler) if autoscaler else None,
            url=service_url(service, pod, self.service.scheme) if service else None,
            port_name=port_name,
            call=render_serving(self.spec, service, self.served_name),
            own_revision=self.template_revision if has_own_revision else None,
        )


def in_revision(violations: Iterable[Violation], revision: str) -> Iterator[Violation]:
    """Yield violations with the revision of the template by whose rules they are some."""
    for each in violations:
        yield replace(each, msg=f"{each.msg} (revision {revision} of the template)")


def deployment_name(instance: ModelInstance, entry: InstanceDeployment | None) -> str:
    """Return the name of the Deployment of an entry of ``spec.deployments``; None is the implied entry."""
    return instance.metadata.name if entry is None else f"{instance.metadata.name}-{entry.name}"


def _child_metadata(
    instance: ModelInstance, name: str, labels: Mapping[str, str], own: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Return the metadata of a child, the template's `own` labels and annotations below the operator's."""
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": _namespace(instance),
        "labels": {**own["labels"], **labels},
    }
    if own["annotations"]:
        metadata["annotations"] = dict(own["annotations"])
    if instance.metadata.uid:
        owner = {
            "apiVersion": API_VERSION,
            "kind": instance.kind,
            "name": instance.metadata.name,
            "uid": instance.metadata.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
        metadata["ownerReferences"] = [owner]
    return metadata


def _instance_fields(instance: ModelInstance) -> dict[str, str]:
    namespace = _namespace(instance)
    return {
        "name": instance.metadata.name,
        "namespace": namespace,
        "id": instance.metadata.uid,
        "account_id": instance.spec.account_id or namespace,
    }


def _namespace(instance: ModelInstance) -> str:
    return instance.metadata.namespace or "default"
