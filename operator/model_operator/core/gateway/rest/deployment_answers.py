"""Deployments of a model as the platform's ModelDeployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_operator.api import LATEST, STABLE, Autoscaler, DeploymentState, EndpointConfig
from model_operator.core.gateway.rest.deployment_specs import OWN_FIELDS, DeploymentRef, deployments_of
from model_operator.core.gateway.rest.model_answers import creator_fields
from model_operator.core.templates.compile import CompiledTemplate

_REVISION: Final = "model_template_revision"
_VENDOR: Final = "LAUNCH"
_WORKERS: Final = ("min_workers", "max_workers", "per_worker", "autoscaler")


def deployment_answers(
    instance: Mapping[str, Any], account: str, template: CompiledTemplate | None
) -> list[dict[str, Any]]:
    """Return the deployments of a model: those that it specifies in their order, then stale ones.

    Parameters
    ----------
    instance
        A ModelInstance as the API server sends it.
    account
        Account of the model, for answers.
    template
        Its template, whose worker settings apply where neither deployment nor model has any; None if it is
        not known.
    """
    return [deployment_answer(instance, each, account, template) for each in deployments_of(instance)]


def deployment_answer(
    instance: Mapping[str, Any], ref: DeploymentRef, account: str, template: CompiledTemplate | None
) -> dict[str, Any]:
    """Return one deployment of a model.

    Parameters
    ----------
    instance, account, template
        As for `deployment_answers`.
    ref
        The deployment, of `instance`.
    """
    metadata, spec = instance["metadata"], _mapping(instance.get("spec"))
    reported = _reported(instance, ref)
    own = spec["deployments"][ref.index] if ref.index is not None else {} if ref.is_stale else spec
    answer: dict[str, Any] = {
        "id": ref.id,
        "name": ref.shown_name,
        "status": deployment_state(instance, ref).value,
        "account_id": account,
        "created_at": reported.get("created_at") or metadata.get("creationTimestamp"),
        **creator_fields(metadata, _mapping(instance.get("status"))),
        "model_instance_id": metadata["uid"],
        "model_endpoint_id": ref.name,
    }
    if isinstance(own.get("model_creation_parameters"), Mapping):
        answer["model_creation_parameters"] = own["model_creation_parameters"]
    if not ref.is_stale:
        pin = own.get(_REVISION) or spec.get(_REVISION)
        answer["vendor_configuration"] = _workers(spec, own, _at(pin, template))
    if ref.index is not None:
        answer |= {key: own[key] for key in OWN_FIELDS if key in own}
    return answer


def deployment_state(instance: Mapping[str, Any], ref: DeploymentRef) -> DeploymentState:
    """Return the state of a deployment.

    What the operator reported of an earlier specification is no state of this one: it is UPDATE_PENDING until
    the operator has seen the change. A client that changes a deployment and waits for READY so waits for the
    change.

    Parameters
    ----------
    instance
        A ModelInstance as the API server sends it.
    ref
        The deployment, of `instance`.
    """
    metadata, status = instance["metadata"], _mapping(instance.get("status"))
    if metadata.get("deletionTimestamp"):
        return DeploymentState.DELETE_IN_PROGRESS
    generation, observed = metadata.get("generation"), status.get("observedGeneration")
    is_unseen = isinstance(generation, int) and (not isinstance(observed, int) or observed < generation)
    if ref.is_stale:
        # It stays as it is while something else of the model keeps the operator from any change. Whether it
        # does, only a report of this specification says.
        waits = not is_unseen and _reported(instance, ref).get("status") == DeploymentState.UPDATE_PENDING
        return DeploymentState.UPDATE_PENDING if waits else DeploymentState.DELETE_IN_PROGRESS
    if is_unseen:
        return DeploymentState.UPDATE_PENDING
    try:
        return DeploymentState(str(_reported(instance, ref).get("status")))
    except ValueError:
        return DeploymentState.UPDATE_PENDING


def _reported(instance: Mapping[str, Any], ref: DeploymentRef) -> Mapping[str, Any]:
    entries = _mapping(instance.get("status")).get("deployments")
    listed = entries if isinstance(entries, list) else []
    return next((each for each in listed if isinstance(each, Mapping) and each.get("name") == ref.name), {})


def _workers(
    spec: Mapping[str, Any], own: Mapping[str, Any], template: CompiledTemplate | None
) -> dict[str, Any]:
    """Return the worker settings that apply, as the platform's LaunchDeploymentVendorConfiguration."""
    endpoint = _endpoint(template)
    found: dict[str, Any] = {}
    if endpoint is not None:
        found = {
            "min_workers": endpoint.min_workers,
            "max_workers": endpoint.max_workers,
            "per_worker": endpoint.per_worker,
            "autoscaler": endpoint.autoscaler.value if endpoint.autoscaler else None,
        }
    for given in (spec.get("vendor_configuration"), own.get("vendor_configuration")):
        found |= {key: _mapping(given)[key] for key in _WORKERS if key in _mapping(given)}
    replicas = spec.get("replicas")
    if replicas is not None:
        found |= {"min_workers": replicas, "max_workers": replicas}
    # The maximum of an external autoscaler is not known here.
    is_external = found.get("autoscaler") == Autoscaler.EXTERNAL
    if found.get("max_workers") is None and endpoint is not None and not is_external:
        found["max_workers"] = found["min_workers"]
    return {"vendor": _VENDOR, **{key: found[key] for key in _WORKERS if found.get(key) is not None}}


def _at(pin: Any, template: CompiledTemplate | None) -> CompiledTemplate | None:
    """Return the template if it may be at the revision that a deployment runs: others are not known here."""
    is_other = pin not in (None, LATEST, STABLE) and template is not None and template.revision != pin
    return None if is_other else template


def _endpoint(template: CompiledTemplate | None) -> EndpointConfig | None:
    spec = None if template is None else template.resource.spec
    # The spec of a template that cannot be parsed is None.
    return spec.vendor_configuration.endpoint_config if spec is not None else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
