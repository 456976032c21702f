"""Deployments of a model as entries of ``spec.deployments`` of its ModelInstance."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

from model_operator.core.gateway.failures import NO_RETRY, Failure, FailureReason, invalid
from model_operator.core.gateway.naming import shown
from model_operator.core.gateway.rest.api_refusals import LocOf
from model_operator.core.gateway.rest.deployment_requests import NewDeployment, entry_name
from model_operator.core.gateway.rest.entries import BODY, Entry
from model_operator.core.gateway.rest.instance_specs import Object
from model_operator.core.values.json_values import is_same_json
from model_operator.core.values.violations import Loc

_DEPLOYMENTS: Final = ("spec", "deployments")
_SHARED: Final = ("model_creation_parameters", "vendor_configuration")
"""Fields of an entry that the instance has, too."""
OWN_FIELDS: Final = ("deployment_metadata", "traffic_weight", "model_template_revision")
"""Fields that only an entry has."""
_BOUNDS: Final = frozenset({"min_workers", "max_workers"})


@dataclass(frozen=True, slots=True)
class DeploymentRef:
    """One deployment of a model.

    Attributes
    ----------
    id
        Its identifier, as `model_operator.core.gateway.models.Deployment.id`.
    name
        Name of the Deployment and of its Service.
    entry
        Its name in ``spec.deployments``; empty for the implied one.
    index
        Its index there; None for the implied one, and for one that is stale.
    is_stale
        Whether the model no longer specifies it: its Deployment still exists.
    """

    id: str
    name: str
    entry: str
    index: int | None = None
    is_stale: bool = False

    @property
    def is_implied(self) -> bool:
        """Whether it is the only deployment of a model without ``spec.deployments``."""
        return self.index is None and not self.is_stale

    @property
    def shown_name(self) -> str:
        """Name in answers."""
        return self.entry or self.name


def deployment_id(uid: str, name: str) -> str:
    """Return the identifier of the Deployment of that name of the instance with that uid."""
    return str(uuid5(UUID(uid), name))


def deployments_of(instance: Mapping[str, Any]) -> tuple[DeploymentRef, ...]:
    """Return the deployments of a model: those that it specifies in their order, then stale ones.

    Parameters
    ----------
    instance
        A ModelInstance as the API server sends it.
    """
    metadata, spec = instance["metadata"], _mapping(instance.get("spec"))
    name, uid = metadata["name"], metadata["uid"]
    found: list[DeploymentRef] = []
    listed = spec.get("deployments")
    if spec.get("model_template_id") is None:
        pass  # An external vendor hosts the model.
    elif listed is None:
        found.append(DeploymentRef(deployment_id(uid, name), name, ""))
    elif isinstance(listed, list):
        for index, each in enumerate(listed):
            if isinstance(each, Mapping) and isinstance(each.get("name"), str):
                full = f"{name}-{each['name']}"
                found.append(DeploymentRef(deployment_id(uid, full), full, each["name"], index))
    names = {each.name for each in found}
    for reported in _items(_mapping(instance.get("status")).get("deployments")):
        left = reported.get("name")
        if isinstance(left, str) and left not in names:
            entry = left.removeprefix(f"{name}-") if left != name else ""
            found.append(DeploymentRef(deployment_id(uid, left), left, entry, is_stale=True))
    return tuple(found)


def deployment_of(instance: Mapping[str, Any], name: str) -> DeploymentRef | None:
    """Return a deployment of a model; None if there is none of that name.

    Parameters
    ----------
    instance
        A ModelInstance as the API server sends it.
    name
        The identifier of the deployment, its name in ``spec.deployments``, or the name of its Deployment; the
        first of these that fits.
    """
    known = deployments_of(instance)
    for key in ("id", "entry", "name"):
        found = next((each for each in known if getattr(each, key) == name), None)
        if name and found is not None:
            return found
    return None


def require_account(new: NewDeployment, *accounts: str) -> None:
    """Check that a deployment is wanted in the account of its model.

    Parameters
    ----------
    new
        The request.
    accounts
        What may name the account of the model: its account_id, and its namespace.

    Raises
    ------
    Failure
        INVALID.
    """
    if new.account_id is not None and new.account_id not in accounts:
        message = "must be the account of the model, or be left out"
        raise invalid(Entry((BODY, "account_id"), message, "account_mismatch", new.account_id))


def with_deployment(live: Object, new: NewDeployment) -> Object:
    """Return a model with another deployment.

    The first one takes the place of the implied one, and of its fixed number of workers.

    Returns
    -------
    dict
        The object to replace `live`; `live` itself if it has the deployment, equal in all fields.

    Raises
    ------
    Failure
        CONFLICT if another deployment has the name; INVALID if an external vendor hosts the model.
    """
    spec = _mapping(live.get("spec"))
    if spec.get("model_template_id") is None:
        message = (
            "the model has no template: its vendor hosts it, and it has no deployments in this cluster. "
            "Action (user): set model_template_id of the model"
        )
        raise invalid(Entry((BODY,), message, "unsupported"))
    entry = new.entry()
    entries = spec.get("deployments") or []
    same = next((each for each in _items(entries) if each.get("name") == entry["name"]), None)
    if same is not None and is_same_json(same, entry):
        return live
    if same is not None:
        raise Failure(
            FailureReason.CONFLICT,
            f"the model has a deployment {shown(entry['name'])} with other values. Action (user): change "
            "it with PATCH, or choose another name.",
            headers=NO_RETRY,
        )
    changed = deepcopy(live)
    changed["spec"].pop("replicas", None)
    changed["spec"]["deployments"] = [*deepcopy(entries), entry]
    return changed


def with_patched_deployment(live: Object, ref: DeploymentRef, patch: Mapping[str, Any]) -> Object:
    """Return a model with a changed deployment.

    The implied one has the parameters and worker settings of the model itself. A key of ours that the
    platform's clients do not know stays when they replace the object that it is in. New bounds of the number
    of workers end a number that ``kubectl scale`` has fixed.

    Parameters
    ----------
    live
        The ModelInstance as it is.
    ref
        The deployment, of `live`.
    patch
        As `read_deployment_patch` returns it.

    Returns
    -------
    dict
        The object to replace `live`; `live` itself if nothing changes.

    Raises
    ------
    Failure
        INVALID for another name, and for a field that the implied deployment cannot have; NOT_FOUND for a
        stale deployment.
    """
    _require_specified(ref)
    entries = [*_name_faults(live, ref, patch), *_implied_faults(ref, patch)]
    if entries:
        raise invalid(*entries)
    changed = deepcopy(live)
    spec = changed["spec"]
    target = spec if ref.index is None else spec["deployments"][ref.index]
    for key in (*_SHARED, *(OWN_FIELDS if ref.index is not None else ())):
        if key not in patch:
            continue
        value = patch[key]
        if key == "vendor_configuration":
            value = _workers(target.get(key), value)
        if value is None:
            target.pop(key, None)
        else:
            target[key] = deepcopy(value)
    if ref.is_implied and _BOUNDS & _mapping(patch.get("vendor_configuration")).keys():
        spec.pop("replicas", None)
    return live if is_same_json(changed["spec"], live["spec"]) else changed


def without_deployment(live: Object, ref: DeploymentRef) -> Object:
    """Return a model without a deployment; without the last one, or the implied one, it has none.

    Raises
    ------
    Failure
        NOT_FOUND for a stale deployment, which is already being deleted.
    """
    _require_specified(ref)
    changed = deepcopy(live)
    spec = changed["spec"]
    entries = spec.get("deployments") or []
    spec["deployments"] = [each for index, each in enumerate(entries) if index != ref.index]
    spec.pop("replicas", None)
    return changed


def deployment_loc(ref: DeploymentRef) -> LocOf:
    """Return where in a request about a deployment the fields of the ModelInstance are.

    A parameter that the deployment needs and neither it nor the model has is reported at the model; the
    request may set it.
    """

    def loc_of(loc: Loc) -> tuple[str | int, ...] | None:
        if loc[:2] == _DEPLOYMENTS:
            # The request has no list of all, whose path stands in the message then.
            is_own = ref.index is not None and loc[2:3] == (ref.index,)
            return (BODY, *loc[3:]) if is_own else None
        if loc[:1] == ("spec",) and loc[1:2] and loc[1] in _SHARED:
            return (BODY, *loc[1:])
        return None

    return loc_of


def _require_specified(ref: DeploymentRef) -> None:
    if ref.is_stale:
        raise Failure(
            FailureReason.NOT_FOUND, f"the deployment {shown(ref.shown_name)} is being deleted. Action: none."
        )


def _name_faults(live: Object, ref: DeploymentRef, patch: Mapping[str, Any]) -> list[Entry]:
    if "name" not in patch:
        return []
    name = patch["name"]
    same = {ref.shown_name, ref.name}
    if ref.is_implied:
        same.add(str(live["spec"].get("name")))
    if name in same or (ref.entry and entry_name(name) == ref.entry):
        return []
    message = "cannot change: the Deployment and the Service have the name; create another deployment instead"
    return [Entry((BODY, "name"), message, "immutable", name)]


def _implied_faults(ref: DeploymentRef, patch: Mapping[str, Any]) -> list[Entry]:
    if not ref.is_implied:
        return []
    message = (
        "cannot be set for the only deployment of a model that lists none; create a deployment with the "
        "field, which takes its place"
    )
    return [
        Entry((BODY, key), message, "unsupported", patch[key])
        for key in OWN_FIELDS
        if patch.get(key) is not None
    ]


def _workers(before: Any, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return worker settings that replace others; the choice of the autoscaler is ours and stays."""
    kept = {key: value for key, value in _mapping(before).items() if key == "autoscaler"}
    return {**kept, **(given or {})} or None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
