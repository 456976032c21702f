"""Compile a template: everything that does not depend on an instance, and the template's violations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from model_operator.api import ClusterModelTemplate, ModelTemplate, ModelTemplateSpec
from model_operator.core.objects.recorded_template import TemplateVersion
from model_operator.core.parameters.schema import ParameterSchema, parse_parameter_schema
from model_operator.core.parameters.secret_refs import open_secret_refs
from model_operator.core.templates.accelerators import unknown_types
from model_operator.core.templates.almost_references import has_reference
from model_operator.core.templates.child_metadata import (
    ChildMetadataProgram,
    compile_metadata,
    metadata_sources,
)
from model_operator.core.templates.contracts import contracts
from model_operator.core.templates.draining import drain_faults
from model_operator.core.templates.endpoint_references import compile_endpoint, endpoint_faults
from model_operator.core.templates.gateway_advice import gateway_advice
from model_operator.core.templates.guarded_fields import guarded_mounts, is_chosen_by_the_author, is_freed
from model_operator.core.templates.images import bundle_image, choosing_references, is_image, is_registry
from model_operator.core.templates.pod import PodProgram, compile_pod
from model_operator.core.templates.pod_advice import pod_advice
from model_operator.core.templates.pod_checks import pod_faults
from model_operator.core.templates.pod_fields import field_spec
from model_operator.core.templates.pod_paths import Path
from model_operator.core.templates.pod_shape import check_pod_template
from model_operator.core.templates.references import (
    ParsedString,
    Reference,
    ReferenceSyntaxError,
    parse_text,
)
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.service_ports import service_faults
from model_operator.core.templates.sharing import UNREAD, Grant
from model_operator.core.templates.strategy import check_strategy, contended
from model_operator.core.templates.substitution import CHOSEN, NOT_CLOSED, check_text, keys, strings
from model_operator.core.values.violations import InvalidObjectError, Loc, Violation, sort_violations

MAX_EXPRESSIONS: Final = 1000
"""Maximum number of ``$(`` in all strings of a template, references or not: each slows down rendering."""

_PARAMETERS_LOC: Loc = ("spec", "model_creation_parameters_schema")
_REQUEST_PARAMETERS_LOC: Loc = ("spec", "model_request_parameters_schema")
_BUNDLE_LOC: Loc = ("spec", "vendor_configuration", "bundle_config")
_ENDPOINT_LOC: Loc = ("spec", "vendor_configuration", "endpoint_config")
_POD_TEMPLATE_LOC: Loc = ("spec", "pod_template")
_CONTAINER: Path = ("spec", "containers", 0)
_METRIC_LABELS: Path = ("metadata", "labels")
"""Labels of metrics take what labels of pods do: a text, which the kubelet does not expand."""
_METRIC_TARGET: Path = (*_CONTAINER, "resources", "limits", "cpu")
_TEXT: Path = ("metadata", "annotations", "text")
"""What is no part of a pod, and decides on none: it takes what a private annotation does, any text."""
_HEALTHCHECK: Path = (*_CONTAINER, "readinessProbe", "httpGet", "path")


@dataclass(frozen=True)
class CompiledTemplate:
    """A parsed and checked template, as it is or in a revision; reusable while uid and generation are.

    Attributes
    ----------
    resource
        The template.
    parameters
        Schema of the parameters that an instance may set; empty if the schema is invalid.
    request_parameters
        Schema of the parameters that a request may set.
    violations
        Violations of the template, sorted by path; a template with violations cannot be rendered.
    is_mergeable
        Whether schema and pod template have the form that merging needs, even if there are other violations.
    revision
        Hash of what it specifies about models (`model_operator.core.templates.revisions`); empty where it
        cannot be read.
    grant
        With which namespaces it is shared. No part of a revision: only that of the template as it is counts.
    """

    resource: ModelTemplate | ClusterModelTemplate
    parameters: ParameterSchema
    request_parameters: ParameterSchema
    violations: tuple[Violation, ...]
    is_mergeable: bool = False
    revision: str = ""
    grant: Grant = UNREAD

    @property
    def version(self) -> TemplateVersion:
        """What a status records of it."""
        metadata = self.resource.metadata
        return TemplateVersion(metadata.uid, metadata.generation, self.revision)

    def advice(self, settings: RenderSettings | None) -> tuple[Violation, ...]:
        """Return warnings: what is valid, but may not be what the template owner intends.

        A template with violations gets only those about its pods, so that both can be corrected at once.

        Parameters
        ----------
        settings
            The cluster's conventions; None for a caller that may not learn of them.
        """
        if not self.is_mergeable:
            return ()
        # The built-in conventions disclose nothing.
        conventions = RenderSettings() if settings is None else settings
        pods = pod_advice(self.resource.spec, self.parameters, _sources(self.resource.spec), conventions)
        if self.violations:
            at_fault = {fault.loc for fault in self.violations}
            return sort_violations(each for each in pods if each.loc not in at_fault)
        secrets = open_secret_refs(self.parameters.schema, _PARAMETERS_LOC)
        spec = self.resource.spec
        found = [
            *pods,
            *secrets,
            *_open_image_volumes(spec, self.parameters),
            *contended(spec.strategy, spec.pod_template or {}),
            *gateway_advice(spec),
        ]
        if settings is not None:
            endpoint = compile_endpoint(spec.vendor_configuration.endpoint_config)
            found += unknown_types(endpoint.gpu_types(self.parameters), settings)
        return sort_violations(found)

    @cached_property
    def pod(self) -> PodProgram | None:
        """The compiled pod template, created on first use; None if and only if there are violations."""
        return None if self.violations else compile_pod(self.resource.spec, self.parameters)

    @cached_property
    def metadata(self) -> ChildMetadataProgram:
        """Labels and annotations of the children, compiled on first use; of a template without violations."""
        return compile_metadata(self.resource.spec)

    @cached_property
    def served_model_name(self) -> ParsedString | None:
        """The template's name of the model at its server, parsed; of a template without violations."""
        name = self.resource.spec.vendor_configuration.bundle_config.served_model_name
        return None if name is None else parse_text(name, kubelet=False)

    @cached_property
    def contracts(self) -> Mapping[str, Any]:
        """Request and response schemas as in ``status`` of an instance; read-only."""
        return contracts(self.resource.spec.model_type, self.request_parameters)


def compile_template(
    resource: ModelTemplate | ClusterModelTemplate, free_domains: Collection[str] = ()
) -> CompiledTemplate:
    """Compile a template. Never raises: errors are in the violations of the result.

    Parameters
    ----------
    resource
        The template, parsed.
    free_domains
        ``free_metadata_domains`` of `model_operator.core.templates.render_settings.RenderSettings`.
    """
    spec = resource.spec
    parameters, faults = _schema(spec.model_creation_parameters_schema, _PARAMETERS_LOC)
    request_parameters, request_faults = _schema(
        spec.model_request_parameters_schema, _REQUEST_PARAMETERS_LOC
    )
    shape_faults = (
        () if spec.pod_template is None else check_pod_template(spec.pod_template, _POD_TEMPLATE_LOC)
    )
    violations = [
        *faults,
        *request_faults,
        *shape_faults,
        *check_strategy(spec.strategy),
        *drain_faults(spec),
    ]
    violations += _image_faults(spec)
    # References can be checked only against a valid schema, and found only within the limits of depth.
    if not faults and not shape_faults:
        found = list(_reference_faults(spec, parameters, free_domains))
        at_fault = {fault.loc for fault in found}
        violations += found
        violations += (fault for fault in pod_faults(spec, parameters) if fault.loc not in at_fault)
        violations += _literal_faults(spec, parameters)
    if not shape_faults:
        violations += service_faults(spec)
    if not faults:
        violations += endpoint_faults(spec.vendor_configuration.endpoint_config, parameters)
    is_mergeable = not faults and not shape_faults
    return CompiledTemplate(
        resource,
        parameters,
        request_parameters,
        sort_violations(violations),
        is_mergeable=is_mergeable,
        grant=Grant(resource.metadata.namespace, spec.allowed_namespaces),
    )


def _schema(raw: Mapping[str, Any] | None, loc: Loc) -> tuple[ParameterSchema, tuple[Violation, ...]]:
    try:
        return parse_parameter_schema(raw, loc), ()
    except InvalidObjectError as error:
        return parse_parameter_schema(None, loc), error.violations


def _image_faults(spec: ModelTemplateSpec) -> Iterator[Violation]:
    bundle = spec.vendor_configuration.bundle_config
    if not is_registry(bundle.registry):
        message = (
            "must be a host and an optional path in lower case, such as ghcr.io/huggingface; it takes no "
            "references"
        )
        yield Violation((*_BUNDLE_LOC, "registry"), message, "image")
        return
    try:
        image = bundle_image(bundle)
    except ReferenceSyntaxError:
        return  # reported with the other references
    written = image.literal()
    if written is not None and not is_image(written):
        message = "must form a valid image reference together with registry and tag or digest"
        yield Violation((*_BUNDLE_LOC, "image"), message, "image")


def _reference_faults(
    spec: ModelTemplateSpec, parameters: ParameterSchema, free_domains: Collection[str]
) -> Iterator[Violation]:
    guarded = guarded_mounts(spec.pod_template)
    registry = spec.vendor_configuration.bundle_config.registry
    expressions = 0
    for value, loc, path in _sources(spec):
        for inner, text in strings(value):
            expressions += text.count("$(")
            if expressions > MAX_EXPRESSIONS:
                message = f"a template must have at most {MAX_EXPRESSIONS} expressions $(…); remove some"
                yield Violation((*loc, *inner), message, "too_many_expressions")
                return
            here, target = (*loc, *inner), (*path, *inner)
            override = True if target in guarded else False if is_freed(target, free_domains) else None
            yield from check_text(text, here, target, parameters, guarded=override)
            if here == (*_BUNDLE_LOC, "image"):
                yield from _choice_faults(text, here, parameters, registry)
            elif here[:2] == _POD_TEMPLATE_LOC and field_spec(target).image and target[1] != "volumes":
                yield from _choice_faults(text, here, parameters, "")


def _literal_faults(spec: ModelTemplateSpec, parameters: ParameterSchema) -> Iterator[Violation]:
    """Yield the references in texts in which none is resolved: keys of ``pod_template``, and two routes."""
    for path, key in keys(spec.pod_template or {}):
        if has_reference(key, parameters):
            message = "is a key, which takes no references; write it out"
            yield Violation((*_POD_TEMPLATE_LOC, *path, key), message, "reference")
    bundle = spec.vendor_configuration.bundle_config
    for name in ("predict_route", "streaming_predict_route"):
        if has_reference(getattr(bundle, name) or "", parameters):
            message = "takes no references: the route is the same for all models of the template"
            yield Violation((*_BUNDLE_LOC, name), message, "reference")


def _open_image_volumes(spec: ModelTemplateSpec, parameters: ParameterSchema) -> Iterator[Violation]:
    for inner, text in strings(spec.pod_template or {}):
        if "$(" not in text or inner[:2] != ("spec", "volumes") or not field_spec(inner).image:
            continue
        for reference in choosing_references(parse_text(text, kubelet=False)):
            is_listed = reference.source == "parameters" and parameters.has_enum(reference.name)
            if is_chosen_by_the_author(reference) or (reference.source == "parameters" and not is_listed):
                message = (
                    f"{reference} lets the author of an instance mount any image that the node or a pull "
                    "secret of the pod can fetch; list the allowed ones in the parameter's enum"
                )
                yield Violation((*_POD_TEMPLATE_LOC, *inner), message, "open_image_volume")


def _choice_faults(text: str, loc: Loc, parameters: ParameterSchema, registry: str) -> Iterator[Violation]:
    """Yield the references with which an instance could choose an image that the template does not list."""
    try:
        read = parse_text(text, kubelet=False)
    except ReferenceSyntaxError:
        return  # reported with the other references
    for reference in choosing_references(read, registry):
        if is_chosen_by_the_author(reference):
            yield _refused(loc, reference, *CHOSEN)
        elif (
            reference.source == "parameters"
            and parameters.declares(reference.name)
            and not parameters.has_enum(reference.name)
        ):
            yield _refused(loc, reference, *NOT_CLOSED)


def _refused(loc: Loc, reference: Reference, message: str, code: str) -> Violation:
    return Violation(loc, f"{reference} {message}", code)


def _sources(spec: ModelTemplateSpec) -> Iterator[tuple[Any, Loc, Path]]:
    """Yield the values that may hold references, with their paths in the template and in the pod template."""
    bundle = spec.vendor_configuration.bundle_config
    for name in ("image", "tag"):
        yield getattr(bundle, name), (*_BUNDLE_LOC, name), (*_CONTAINER, "image")
    for name, field in (("command", "command"), ("args", "args"), ("streaming_command", "command")):
        yield getattr(bundle, name), (*_BUNDLE_LOC, name), (*_CONTAINER, field)
    yield bundle.healthcheck_route, (*_BUNDLE_LOC, "healthcheck_route"), _HEALTHCHECK
    yield bundle.served_model_name, (*_BUNDLE_LOC, "served_model_name"), _TEXT
    for index, secret in enumerate(bundle.image_pull_secrets):
        loc: Loc = (*_BUNDLE_LOC, "image_pull_secrets", index, "name")
        yield secret.name, loc, ("spec", "imagePullSecrets", index, "name")
    for value, loc, path in metadata_sources(spec):
        yield value, loc, path
    for name, value in bundle.env.items():
        yield value, (*_BUNDLE_LOC, "env", name), (*_CONTAINER, "env", 0, "value")
    for index, metric in enumerate(spec.vendor_configuration.endpoint_config.scaling_metrics or ()):
        loc = (*_ENDPOINT_LOC, "scaling_metrics", index)
        yield metric.labels, (*loc, "labels"), _METRIC_LABELS
        yield metric.target, (*loc, "target"), _METRIC_TARGET
    yield spec.pod_template, _POD_TEMPLATE_LOC, ()
