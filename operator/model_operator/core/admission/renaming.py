"""Warnings about Deployments and Services that a change of an instance replaces or deletes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model_operator.api import ModelInstance
from model_operator.core.admission.change import Change
from model_operator.core.rendering.render import deployment_names
from model_operator.core.templates.parsing import parse_instance
from model_operator.core.values.words import listed

_KEEP_NAMES = (
    "Action (user): none if this is intended; else leave deployments as it was, and set workers in "
    "spec.vendor_configuration, which changes no names."
)


def renaming_warnings(change: Change, instance: ModelInstance) -> Iterator[str]:
    """Yield a warning when the change removes names of Deployments, with their Services and URLs.

    Parameters
    ----------
    change
        The write.
    instance
        The instance as it would be written.
    """
    if change.old is None or _names_of(change.old) == _names_of(change.obj):
        return
    before, violations = parse_instance(change.old)
    if violations:
        return
    old, new = deployment_names(before), deployment_names(instance)
    lost, added = ([name for name in one if name not in other] for one, other in ((old, new), (new, old)))
    if lost:
        yield f"{change.kind} {change.name}: {_what(before, instance)}: {_consequence(lost, added)}"


def _names_of(obj: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what the names of the Deployments depend on, beside the name of the instance."""
    spec = obj.get("spec")
    return (spec.get("model_template_id"), spec.get("deployments")) if isinstance(spec, Mapping) else ()


def _what(before: ModelInstance, after: ModelInstance) -> str:
    removed = before.spec.model_template_id is not None and after.spec.model_template_id is None
    return "spec.model_template_id" if removed else "spec.deployments"


def _consequence(lost: Sequence[str], added: Sequence[str]) -> str:
    ends = f"Deployment, Service and URL {listed(lost)}"
    if not added:
        return f"{ends} will be deleted."
    return f"{ends} will be deleted once {listed(added)} can replace them. {_KEEP_NAMES}"
