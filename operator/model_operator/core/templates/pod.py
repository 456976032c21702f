"""The pod template of a model: compiled once for a template, rendered for each deployment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from model_operator.api import ModelTemplateSpec
from model_operator.core.parameters.schema import ParameterSchema
from model_operator.core.templates.accelerators import layer_accelerator, requested_gpus, toleration_of
from model_operator.core.templates.child_metadata import label_faults
from model_operator.core.templates.conventions import layer_default_resources, layer_shared_environment
from model_operator.core.templates.draining import layer_draining
from model_operator.core.templates.endpoint_references import EndpointProgram, compile_endpoint, is_quantity
from model_operator.core.templates.environment import layer_parameters, order_variables
from model_operator.core.templates.images import BundleImage, bundle_image, is_image, misplaced_values
from model_operator.core.templates.inner_references import inner_faults, is_name
from model_operator.core.templates.label_fields import ANNOTATIONS_SIZE, is_annotation, is_label
from model_operator.core.templates.layering import layered_pod, model_container, stated_model
from model_operator.core.templates.pod_fields import FieldType
from model_operator.core.templates.pod_paths import CONTAINER_LISTS
from model_operator.core.templates.ports import served_port
from model_operator.core.templates.references import ParsedString, Reference, Scope, text_form
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.substitution import TemplatedField, compile_positions, substitute
from model_operator.core.templates.value_faults import ValueFault
from model_operator.core.values.json_values import count_elements

MAX_VALUES: Final = 512 * 1024
"""Maximum number of bytes that parameter values add to a pod template. An object in etcd has at most 1.5 MiB,
including its field owners; a long value in a thousand places would exhaust the operator's memory."""

_BYTES_PER_ELEMENT = 32


@dataclass(frozen=True)
class PodProgram:
    """The common pod template of all models of a template, with the positions of its references.

    Attributes
    ----------
    pod
        PodTemplateSpec with unresolved references; never returned to a caller.
    positions
        Fields that contain references.
    image
        The image of the model container.
    endpoint
        The template's resources and accelerator.
    parameters
        The declared parameters.
    port_name
        Name of the served port; None if the model serves none.
    serves_http
        Whether the model has a Service.
    """

    pod: Mapping[str, Any]
    positions: tuple[TemplatedField, ...]
    image: BundleImage
    endpoint: EndpointProgram
    parameters: ParameterSchema
    port_name: str | None
    serves_http: bool

    def render(self, scope: Scope, labels: Mapping[str, str], settings: RenderSettings) -> dict[str, Any]:
        """Return the pod template of one deployment, a new object.

        Parameters
        ----------
        scope
            Valid values, for which `faults` yields nothing.
        labels
            Labels that override those of the template.
        settings
            The cluster's conventions.
        """
        pod: dict[str, Any] = _copy(self.pod)
        substitute(pod, self.positions, scope)
        container = model_container(pod)
        container["image"] = self.image.render(scope)
        layer_parameters(container, self.parameters, scope.parameters)
        pod["metadata"]["labels"] = {**pod["metadata"].get("labels", {}), **labels}
        gpus = self.endpoint.gpus(scope)
        layer_default_resources(container, settings)
        layer_accelerator(pod["spec"], container, gpus, self.endpoint.gpu_type(scope), settings)
        _layer_settings(pod["spec"], settings, high_priority=self.endpoint.config.high_priority)
        layer_shared_environment(pod["spec"], settings)
        for key in CONTAINER_LISTS:
            for each in pod["spec"].get(key, ()):
                order_variables(each)
        layer_draining(pod["spec"], self.endpoint.config, settings, serves_http=self.serves_http)
        return pod

    def size(self, scope: Scope, others: Iterable[ParsedString] = ()) -> int:
        """Estimate the bytes that the values add to the children; cheap, whatever the result.

        Parameters
        ----------
        scope
            The values.
        others
            Texts outside the pod template.
        """
        weights = {name: _weight(value) for name, value in scope.parameters.items()}
        uses = (
            reference.name
            for text in (*(position.text for position in self.positions), *others)
            for reference in text.references
            if reference.source == "parameters"
        )
        return sum(weights.get(name, 0) for name in uses) + sum(weights.values())

    def faults(self, scope: Scope) -> Iterator[ValueFault]:
        """Yield the references whose values are not valid in their field."""
        for reference, expected in self._image_faults(scope):
            yield ValueFault(reference, expected, "image")
        refused = dict(self.endpoint.faults(scope))
        for reference, expected in [*refused.items(), *self._quantity_faults(scope, refused)]:
            yield ValueFault(reference, expected, "resource")
        yield from self._label_faults(scope)
        if self._named:
            yield from self._name_faults(scope)

    def _label_faults(self, scope: Scope) -> Iterator[ValueFault]:
        annotations = [position for position in self.positions if is_annotation(position.path)]
        for position in self.positions:
            if is_label(position.path):
                yield from label_faults(position.text, scope)
        # What the template itself states is within its own limits, and counted by the API server.
        size = sum(len(str(position.value(scope)).encode()) for position in annotations)
        if size > ANNOTATIONS_SIZE:
            for reference in {each for position in annotations for each in position.text.references}:
                message = f"shorter: the annotations of a pod have at most {ANNOTATIONS_SIZE // 1024} KiB"
                yield ValueFault(reference, message, "too_large")

    def _quantity_faults(
        self, scope: Scope, refused: Collection[Reference]
    ) -> Iterator[tuple[Reference, str]]:
        for position in self.positions:
            if position.field.type is FieldType.QUANTITY and not is_quantity(position.value(scope)):
                part = "" if position.text.sole_reference else "a part of "
                for reference in position.text.references:
                    if reference not in refused:
                        yield reference, f"{part}a Kubernetes quantity, such as 2, 500m or 16Gi"

    def _image_faults(self, scope: Scope) -> Iterator[tuple[Reference, str]]:
        yield from self.image.faults(scope, self._is_listed)
        for position in self.positions:
            if not position.field.image:
                continue
            # A reference that is the whole image has an enum, or is the image of a volume, which is free.
            misplaced = (
                []
                if position.text.sole_reference
                else list(misplaced_values(position.text, scope, self._is_listed))
            )
            yield from misplaced
            if not misplaced and not is_image(position.text.render(scope, kubelet=False)):
                for reference in position.text.references:
                    yield reference, "a part of an image's name, such as ghcr.io/team/server:1.2"

    @cached_property
    def _named(self) -> tuple[TemplatedField, ...]:
        """The fields with references that hold a name or a port to which other fields of the pod refer."""
        return tuple(position for position in self.positions if is_name(position.path))

    def _name_faults(self, scope: Scope) -> Iterator[ValueFault]:
        """Yield the references by which names inside the pod do not resolve, or are given twice."""
        pod: dict[str, Any] = _copy(self.pod)
        substitute(pod, self.positions, scope)
        for fault in inner_faults(pod):
            at_fault = [position for position in self._named if position.path == fault.path]
            # What the fault refers to, or what it repeats, may be what the reference gave.
            for position in at_fault or self._named[:1]:
                for reference in position.text.references:
                    yield ValueFault(reference, fault.expected, fault.type)

    def _is_listed(self, reference: Reference) -> bool:
        return reference.source == "parameters" and self.parameters.has_enum(reference.name)


def compile_pod(spec: ModelTemplateSpec, parameters: ParameterSchema) -> PodProgram:
    """Compile the pod template of a template without violations."""
    pod = layered_pod(spec)
    served = served_port(stated_model(spec), spec)
    return PodProgram(
        pod=pod,
        positions=compile_positions(pod),
        image=bundle_image(spec.vendor_configuration.bundle_config),
        endpoint=compile_endpoint(spec.vendor_configuration.endpoint_config),
        parameters=parameters,
        port_name=None if served is None else served.name,
        serves_http=spec.endpoint_type.serves_http,
    )


def _layer_settings(
    pod_spec: dict[str, Any], settings: RenderSettings, *, high_priority: bool | None
) -> None:
    if high_priority and settings.high_priority_class:
        pod_spec["priorityClassName"] = settings.high_priority_class
    elif settings.default_priority_class:
        pod_spec.setdefault("priorityClassName", settings.default_priority_class)
    gpus = requested_gpus(pod_spec, settings)
    tolerations = [toleration_of(name) for name in gpus]
    tolerations += [each.to_dict() for each in settings.tolerations]
    tolerations += [each.to_dict() for each in settings.gpu_tolerations if gpus]
    known = pod_spec.get("tolerations", [])
    added = [each for place, each in enumerate(tolerations) if each not in [*known, *tolerations[:place]]]
    if added:
        pod_spec["tolerations"] = [*known, *added]
    if settings.run_as_non_root:
        pod_spec["securityContext"].setdefault("runAsNonRoot", True)


def _weight(value: Any) -> int:
    # An expanded list needs more bytes than its text.
    return len(text_form(value, kubelet=True)) + _BYTES_PER_ELEMENT * count_elements(value)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        # Most are strings; a call takes longer than the check.
        return {key: item if type(item) is str else _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value
