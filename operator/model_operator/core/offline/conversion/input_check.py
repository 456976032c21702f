"""The check of manifests before their conversion, with Kubernetes' own schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_operator.core.offline.conversion.notes import ConversionError
from model_operator.core.offline.conversion.workloads import Workload, mapping, name_of
from model_operator.core.offline.kubernetes_schemas import KubernetesSchemas
from model_operator.core.values.violations import Violation, format_loc
from model_operator.core.values.words import plural

_POD_LOC: Final = ("spec", "template")
_AUTOSCALER: Final = "HorizontalPodAutoscaler"
_CLAIMS: Final = "volumeClaimTemplates"
_NUMBERS: Final = ("minReplicas", "maxReplicas", "targetCPUUtilizationPercentage")


def check_input(workload: Workload, schemas: KubernetesSchemas) -> None:
    """Check the workload, its Services and its autoscalers, so that the conversion can rely on their form.

    Parameters
    ----------
    workload
        The workload.
    schemas
        Kubernetes' schemas. They have no StatefulSet: of other kinds than Deployment, the pod template is
        checked, and of autoscaling/v1 the numbers.

    Raises
    ------
    ConversionError
        Kubernetes would reject one of them; the message names the first field.
    """
    for title, violations in _checked(workload, schemas):
        if violations:
            first, more = violations[0], len(violations) - 1
            others = f" (and {plural(more, 'other error')})" if more else ""
            raise ConversionError(f"{title}: {format_loc(first.loc)}: {first.msg}{others}")


def _checked(workload: Workload, schemas: KubernetesSchemas) -> Iterator[tuple[str, list[Violation]]]:
    title = f"{workload.kind} {workload.name}"
    spec = workload.spec if workload.kind == "Deployment" else {"selector": {}, "template": workload.pod}
    found: tuple[Violation, ...] = schemas.violations(
        _without_nulls({"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec})
    )
    if workload.kind == "Pod":
        depth = len(_POD_LOC)
        found = tuple(Violation(each.loc[depth:], each.msg, each.type) for each in found)
    yield title, list(found)
    claims = workload.spec.get(_CLAIMS)
    if claims is not None and not (
        isinstance(claims, list) and all(name_of(mapping(each)) for each in claims)
    ):
        yield title, [Violation(("spec", _CLAIMS), "must be a list of objects with names", "list_type")]
    for service in workload.services:
        obj = _without_nulls({**service, "apiVersion": "v1"})
        yield f"Service {name_of(service)}", list(schemas.violations(obj))
    for autoscaler in workload.autoscalers:
        name, inside = f"{_AUTOSCALER} {name_of(autoscaler)}", mapping(autoscaler.get("spec"))
        if autoscaler.get("apiVersion") == "autoscaling/v1":
            yield (
                name,
                [
                    Violation(("spec", key), "must be an integer", "type")
                    for key in _NUMBERS
                    if inside.get(key) is not None and type(inside[key]) is not int
                ],
            )
        else:
            obj = _without_nulls({**autoscaler, "apiVersion": "autoscaling/v2"})
            yield name, list(schemas.violations(obj))


def _without_nulls(value: Any) -> Any:
    """Return a copy without null members, which are equivalent to absent ones."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
