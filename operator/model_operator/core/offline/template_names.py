"""Which template an instance probably meant, of those that are in the files."""

from __future__ import annotations

from collections.abc import Sequence

from model_operator.api import ModelInstance, TemplateKind
from model_operator.core.values.hints import closest
from model_operator.core.values.words import listed


def template_hint(instance: ModelInstance, templates: Sequence[tuple[str, str, str]]) -> str:
    """Return a hint for an instance whose template was not found; empty if nothing is similar.

    A cluster's templates must not be given here: who may write an instance in one namespace may not know
    what is in another.

    Parameters
    ----------
    instance
        The instance, with a ``model_template_id``.
    templates
        Kind, namespace and name of the templates in the files.
    """
    wanted, here = instance.spec.model_template_id or "", instance.metadata.namespace
    only = instance.spec.model_template_kind
    same = [each for each in templates if each[2] == wanted]
    kinds = sorted({kind for kind, namespace, _ in same if namespace in ("", here) and kind != only})
    if only is not None and kinds:
        return f"; there is a {kinds[0]} of that name: change model_template_kind"
    elsewhere = sorted({namespace for _, namespace, _ in same if namespace not in ("", here)})
    if elsewhere:
        word = "namespace" if len(elsewhere) == 1 else "namespaces"
        advice = "an instance takes a ModelTemplate of its own namespace, or a ClusterModelTemplate"
        found = f"there is a {TemplateKind.MODEL_TEMPLATE} of that name in {word} {listed(elsewhere)}"
        return f"; {found}; {advice}{_namespace_hint(here, elsewhere)}"
    usable = [name for kind, namespace, name in templates if namespace in ("", here) and only in (None, kind)]
    near = closest(wanted, usable)
    if near:
        return f"; did you mean {near}?"
    others = {f"{namespace}/{name}": name for _, namespace, name in templates if namespace not in ("", here)}
    near = closest(wanted, others.values())
    owners = sorted(path.partition("/")[0] for path, name in others.items() if name == near)
    return f"; did you mean {near}, which is in namespace {listed(owners)}?" if near else ""


def _namespace_hint(here: str, elsewhere: Sequence[str]) -> str:
    near = closest(here, elsewhere, 0.85)
    return f"; did you mean the namespace {near}?" if near else ""
