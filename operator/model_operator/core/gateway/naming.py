"""From the name in a request to one deployment of one model.

A model is ``namespace/name``, or ``name`` where the caller may execute one model of that name alone. One of
several deployments is ``namespace/name/deployment``. The platform's API also takes the identifiers that it
returns: the uid of an instance, and the id of a deployment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from model_operator.api.enums import ModelApi
from model_operator.core.gateway.apis import ROUTES, Family, Route
from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.model_catalog import Catalog
from model_operator.core.gateway.models import Deployment, Model
from model_operator.core.values.printable import printable

_SHOWN: Final = 100
_SHOWN_MODELS: Final = 10
_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that a name may mean.

    Attributes
    ----------
    model
        The model.
    deployment
        Its deployment that the name means; None when the name leaves the choice to the gateway.
    """

    model: Model
    deployment: Deployment | None = None


def candidates(catalog: Catalog, name: str, namespaces: Collection[str] | None = None) -> list[Candidate]:
    """Return what a name may mean, without regard to who asks.

    Parameters
    ----------
    catalog
        The registered models.
    name
        Value of the field ``model``, or the decoded variable of a path.
    namespaces
        Namespaces that a name without one is limited to; None for all.
    """
    parts = name.split("/")
    if len(parts) == 1:
        found = [
            Candidate(model)
            for model in catalog.named(name)
            if namespaces is None or model.namespace in namespaces
        ]
        return found or _by_id(catalog, name)
    if len(parts) > _PARTS or not all(parts):
        return []
    model = catalog.get(parts[0], parts[1])
    if model is None:
        return []
    if len(parts) < _PARTS:
        return [Candidate(model)]
    deployment = deployment_named(model, parts[2])
    return [] if deployment is None else [Candidate(model, deployment)]


def _by_id(catalog: Catalog, identifier: str) -> list[Candidate]:
    if (model := catalog.by_uid(identifier)) is not None:
        return [Candidate(model)]
    if (found := catalog.by_deployment(identifier)) is not None:
        return [Candidate(*found)]
    return []


def deployment_named(model: Model, name: str) -> Deployment | None:
    """Return the deployment of a model with that entry, name or id."""
    return next(
        (each for each in model.deployments if name in (each.entry or each.name, each.name, each.id)), None
    )


def only(name: str, allowed: Sequence[Candidate]) -> Candidate:
    """Return the one model that a name means to a caller.

    Parameters
    ----------
    name
        The name as sent.
    allowed
        The candidates that the caller may execute.

    Raises
    ------
    Failure
        MODEL_NOT_FOUND without a candidate: what a caller may not execute does not exist for it.
        MODEL_AMBIGUOUS with several.
    """
    if not allowed:
        raise not_found(name)
    if len(allowed) > 1:
        ids = [each.model.id for each in allowed]
        more = f" and {len(ids) - _SHOWN_MODELS} more" if len(ids) > _SHOWN_MODELS else ""
        raise Failure(
            FailureReason.MODEL_AMBIGUOUS,
            f"the name {shown(name)} means {len(ids)} models: {', '.join(ids[:_SHOWN_MODELS])}{more}. "
            "Action (user): write the namespace, too, as in namespace/name.",
            ("model",),
        )
    return allowed[0]


def not_found(name: str) -> Failure:
    """Return the failure for a name without a model that the caller may execute."""
    return Failure(
        FailureReason.MODEL_NOT_FOUND,
        f"the model {shown(name)} does not exist, or you may not execute it. Action (user): list the models "
        "by GET /v1/models, or request the permission to create modelinstances/execute. Names are "
        "namespace/name and namespace/name/deployment.",
        ("model",),
    )


def choose(
    candidate: Candidate, route: Route, is_ready: Callable[[Deployment], bool], share: float
) -> Deployment:
    """Return the deployment that answers a request.

    By weight among those that have the route's API and a ready worker; without one, the first by weight.

    Parameters
    ----------
    candidate
        What the name means.
    route
        The route of the request.
    is_ready
        Whether a deployment has a ready worker.
    share
        A random number in [0, 1).

    Raises
    ------
    Failure
        API_NOT_SUPPORTED when no deployment has the API.
    """
    model = candidate.model
    named = model.deployments if candidate.deployment is None else (candidate.deployment,)
    able = [each for each in named if _answers(each, route)]
    if not able:
        raise _not_supported(model, route, named)
    if candidate.deployment is not None or len(able) == 1:
        return able[0]
    weighted = [each for each in able if each.weight > 0] or able
    ready = [each for each in weighted if is_ready(each)]
    if not ready:
        return max(weighted, key=lambda each: each.weight)
    return _by_weight(ready, share)


def _answers(deployment: Deployment, route: Route) -> bool:
    return route.api in deployment.apis and (route.types is None or deployment.model_type in route.types)


def _by_weight(deployments: Sequence[Deployment], share: float) -> Deployment:
    total = sum(each.weight for each in deployments)
    if not total:
        return deployments[int(share * len(deployments))]
    point = share * total
    for each in deployments:
        point -= each.weight
        if point < 0:
            return each
    return deployments[-1]


def _not_supported(model: Model, route: Route, named: Sequence[Deployment]) -> Failure:
    kinds = sorted({each.model_type for each in named})
    paths = [
        other.pattern
        for other in ROUTES
        if other.family is not Family.PLATFORM and any(_answers(each, other) for each in named)
    ]
    if any(ModelApi.EXECUTE in each.apis for each in named):
        paths.append("the platform's execute")
    return Failure(
        FailureReason.API_NOT_SUPPORTED,
        f"the model {model.id} of the type {', '.join(kinds)} does not answer {route.pattern}; it answers: "
        f"{', '.join(paths)}. Action (user): call another path or model.",
        ("model",),
    )


def shown(name: str) -> str:
    """Return a name from a request for a message: quoted, escaped and cut."""
    return f'"{printable(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…")}"'
