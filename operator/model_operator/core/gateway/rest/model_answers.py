"""A ModelInstance as the platform's ``ModelInstanceResponse``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_operator.api.enums import IdentifierType, ModelType
from model_operator.core.admission.identity import creator
from model_operator.core.gateway.rest.shared_templates import stated_template
from model_operator.core.objects.kept_form import CREATED_BY_TYPE
from model_operator.core.parameters.schema import parse_parameter_schema
from model_operator.core.status.created_by import created_by
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.contracts import contracts

Object = dict[str, Any]

UNKNOWN_USER: Final = "unknown"
"""Creator of an object that was created while no webhook recorded it."""
OPTIONAL_FIELDS: Final = (
    "display_name",
    "model_vendor",
    "base_model_id",
    "base_model_metadata",
    "model_creation_parameters",
    "model_card",
    "training_data_card",
    "description",
    "model_template_id",
    "model_group_id",
)
"""Fields of an answer that the specification has under the same names, in the order of the platform."""
_CONTRACT: Final = ("request_schema", "response_schema", "supports_multi_turn")


def model_answer(instance: Object, account: str, template: CompiledTemplate | None) -> dict[str, Any]:
    """Return the answer about a model: the eleven required fields, and the others that have a value.

    Parameters
    ----------
    instance
        A ModelInstance, whole or as it is kept for lists; also one that kubectl wrote, or that no operator
        has seen yet.
    account
        Its ``account_id``.
    template
        Its template; None if it is not known.
    """
    metadata, spec, status = instance["metadata"], _mapping(instance, "spec"), _mapping(instance, "status")
    usable = None if template is None or template.violations else template
    model_type = model_type_of(spec, status, usable)
    answer: dict[str, Any] = {
        "id": metadata.get("uid", ""),
        "name": spec.get("name") or metadata["name"],
        "model_type": model_type,
        "account_id": account,
        "created_at": metadata.get("creationTimestamp", ""),
        **creator_fields(metadata, status),
        **_contracts(instance, status, model_type, usable),
        "deployment_count": deployment_count(spec),
    }
    stated = {**spec, "model_template_id": stated_template(spec)}
    return answer | {name: stated[name] for name in OPTIONAL_FIELDS if stated.get(name) is not None}


def creator_fields(metadata: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, str]:
    """Return ``created_by_user_id`` and ``created_by_identity_type`` of an object, both in any case.

    Parameters
    ----------
    metadata
        ``metadata`` of the object.
    status
        ``status`` of the object.
    """
    known = created_by(metadata.get("annotations") or {}, status)
    user = known.get("created_by_user_id") or UNKNOWN_USER
    kind = known.get("created_by_identity_type")
    if kind is None:
        kind = IdentifierType.USER.value if user == UNKNOWN_USER else creator(user)[CREATED_BY_TYPE]
    return {"created_by_user_id": user, "created_by_identity_type": kind}


def model_type_of(
    spec: Mapping[str, Any], status: Mapping[str, Any], template: CompiledTemplate | None
) -> str:
    """Return the type that a model states, or else its template, or what its workers report."""
    if isinstance(spec.get("model_type"), str):
        return str(spec["model_type"])
    if template is not None:
        return template.resource.spec.model_type.value
    deployments = status.get("deployments")
    for each in deployments if isinstance(deployments, list) else ():
        serving = each.get("serving") if isinstance(each, Mapping) else None
        if isinstance(serving, Mapping) and isinstance(serving.get("model_type"), str):
            return str(serving["model_type"])
    return ModelType.GENERIC.value


def _contracts(
    instance: Object, status: Mapping[str, Any], model_type: str, template: CompiledTemplate | None
) -> dict[str, Any]:
    """Return schemas and turns: as reported of this generation, else of the template, else as reported."""
    reported = {name: status[name] for name in _CONTRACT if status.get(name) is not None}
    is_reported = len(reported) == len(_CONTRACT)
    generation = instance["metadata"].get("generation")
    if is_reported and (template is None or status.get("observedGeneration") == generation):
        return reported
    if template is not None:
        return dict(template.contracts)
    return contracts(model_type, parse_parameter_schema(None, ())) | reported


def deployment_count(spec: Mapping[str, Any]) -> int:
    """Return how many deployments a model specifies."""
    if not spec.get("model_template_id"):
        return 0
    deployments = spec.get("deployments")
    return len(deployments) if isinstance(deployments, list) else 1


def _mapping(obj: Object, name: str) -> Mapping[str, Any]:
    value = obj.get(name)
    return value if isinstance(value, Mapping) else {}
