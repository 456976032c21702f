"""Parse objects from the API server into models, also objects that violate the schema.

The API server checks objects against the CRD when they are written. But an object may be older than the CRD,
or the CRD may have been edited. Such an object is reported like any other violation and never causes a crash.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from model_operator.api import (
    ClusterModelTemplate,
    ModelInstance,
    ModelInstanceSpec,
    ModelTemplate,
    ObjectMeta,
    TemplateKind,
)
from model_operator.core.objects.kept_form import known_faults
from model_operator.core.objects.live_instance import LiveInstance
from model_operator.core.parameters.schema import parse_parameter_schema
from model_operator.core.templates.compile import CompiledTemplate, compile_template
from model_operator.core.templates.revisions.identity import revision_hash
from model_operator.core.templates.sharing import grant_of
from model_operator.core.values.model_errors import model_violations
from model_operator.core.values.violations import Violation

_UNREADABLE: Any = None
"""Placeholder for the spec of a template that cannot be parsed; it is never read."""
_TEMPLATE_TYPES: dict[TemplateKind, type[ModelTemplate | ClusterModelTemplate]] = {
    TemplateKind.MODEL_TEMPLATE: ModelTemplate,
    TemplateKind.CLUSTER_MODEL_TEMPLATE: ClusterModelTemplate,
}


def parse_instance(obj: Mapping[str, Any]) -> tuple[ModelInstance, tuple[Violation, ...]]:
    """Parse a ModelInstance.

    Parameters
    ----------
    obj
        The object from the API server.

    Returns
    -------
    tuple
        The instance, and its violations of the schema; with violations its spec is empty.
    """
    faults = known_faults({**obj, "kind": ModelInstance.__name__})
    if faults:
        return _empty_instance(obj), faults
    try:
        return ModelInstance.model_validate(obj), ()
    except ValidationError as error:
        if _is_about_status(error):
            return parse_instance(_without_status(obj))
        return _empty_instance(obj), model_violations(error)


def read_instance(obj: dict[str, Any]) -> LiveInstance:
    """Return a ModelInstance as it is, and parsed; see `parse_instance`."""
    return LiveInstance(obj, *parse_instance(obj))


def parse_template(obj: Mapping[str, Any], free_domains: Collection[str] = ()) -> CompiledTemplate:
    """Parse and compile a template. Never raises: errors are in the violations of the result.

    Parameters
    ----------
    obj
        A ModelTemplate or ClusterModelTemplate from the API server, with its ``kind``.
    free_domains
        ``free_metadata_domains`` of `model_operator.core.templates.render_settings.RenderSettings`.
    """
    resource_type = _TEMPLATE_TYPES[TemplateKind(obj["kind"])]
    faults = known_faults(obj)
    if faults:
        return _unreadable_template(resource_type, obj, faults)
    try:
        compiled = compile_template(resource_type.model_validate(obj), free_domains)
    except ValidationError as error:
        if _is_about_status(error):
            return parse_template(_without_status(obj), free_domains)
        return _unreadable_template(resource_type, obj, model_violations(error))
    return replace(compiled, revision=revision_hash(obj["spec"]))


def _empty_instance(obj: Mapping[str, Any]) -> ModelInstance:
    return ModelInstance.model_construct(
        metadata=ObjectMeta.model_validate(obj["metadata"]), spec=ModelInstanceSpec.model_construct()
    )


def _unreadable_template(
    resource_type: type[ModelTemplate | ClusterModelTemplate],
    obj: Mapping[str, Any],
    violations: tuple[Violation, ...],
) -> CompiledTemplate:
    resource = resource_type.model_construct(
        metadata=ObjectMeta.model_validate(obj["metadata"]), spec=_UNREADABLE
    )
    empty = parse_parameter_schema(None, ())
    return CompiledTemplate(resource, empty, empty, violations, grant=grant_of(obj))


def _is_about_status(error: ValidationError) -> bool:
    """Whether the status is invalid, as after a downgrade of the operator.

    A user cannot correct a status, so it is read as empty, and written again.
    """
    return any(entry["loc"][:1] == ("status",) for entry in error.errors())


def _without_status(obj: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in obj.items() if field != "status"}
