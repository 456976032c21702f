"""Which template an instance probably meant, of those that are in the files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from model_operator.api import ModelInstance, TemplateKind
from model_operator.core.values.hints import closest
from model_operator.core.values.words import listed

_MOST_COMPARISONS: Final = 20
"""Instances for which similar names are searched; each search takes time with the number of templates."""
_NEAR_NAMESPACE: Final = 0.85


class TemplateNames:
    """The names of the templates in the files, from which hints are made.

    A cluster's templates must not be given here: who may write an instance in one namespace may not know
    what is in another.

    Parameters
    ----------
    templates
        Kind, namespace and name of each; the namespace of a cluster template is empty.
    """

    def __init__(self, templates: Iterable[tuple[str, str, str]]) -> None:
        self._by_name: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for kind, namespace, name in templates:
            self._by_name[name].append((kind, namespace))
        self._left = _MOST_COMPARISONS

    def hint(self, instance: ModelInstance) -> str:
        """Return a hint for an instance whose template was not found; empty if nothing is similar.

        Parameters
        ----------
        instance
            The instance, with a ``model_template_id``.
        """
        spec = instance.spec
        wanted, here = spec.model_template_id or "", instance.metadata.namespace
        only = spec.model_template_kind
        if "/" in wanted:
            return "; no name has a '/': give the namespace as model_template_namespace"
        same = self._by_name.get(wanted, ())
        if spec.model_template_namespace not in (None, here):
            return self._in_other_namespace(wanted, spec.model_template_namespace or "", same)
        kinds = sorted({kind for kind, namespace in same if namespace in ("", here) and kind != only})
        if only is not None and kinds:
            return f"; there is a {kinds[0]} of that name: change model_template_kind"
        elsewhere = sorted({namespace for _, namespace in same if namespace not in ("", here)})
        if elsewhere:
            advice = (
                "an instance takes one of another namespace by model_template_namespace, if it is shared "
                "with its own"
            )
            return f"; {_owned_in(elsewhere)}; {advice}{_namespace_hint(here, elsewhere)}"
        return self._similar(wanted, here, only)

    def _in_other_namespace(self, wanted: str, home: str, same: Sequence[tuple[str, str]]) -> str:
        """Return a hint for an instance that names the namespace of its template."""
        elsewhere = sorted({namespace for _, namespace in same if namespace})
        if elsewhere:
            return f"; {_owned_in(elsewhere)}: change model_template_namespace"
        if same:
            kind = TemplateKind.CLUSTER_MODEL_TEMPLATE
            return f"; there is a {kind} of that name: remove model_template_namespace"
        if self._left == 0:
            return ""
        self._left -= 1
        there = [
            name
            for name, owners in self._by_name.items()
            if any(namespace == home for _, namespace in owners)
        ]
        near = closest(wanted, there)
        return f"; did you mean {near}?" if near else ""

    def _similar(self, wanted: str, here: str, only: str | None) -> str:
        if self._left == 0:
            return ""
        self._left -= 1
        usable = [
            name
            for name, owners in self._by_name.items()
            if any(namespace in ("", here) and only in (None, kind) for kind, namespace in owners)
        ]
        near = closest(wanted, usable)
        if near:
            return f"; did you mean {near}?"
        near = closest(wanted, self._by_name)
        namespaces = sorted({namespace for _, namespace in self._by_name.get(near, ()) if namespace})
        return f"; did you mean {near}, which is in namespace {listed(namespaces)}?" if namespaces else ""


def _owned_in(namespaces: Sequence[str]) -> str:
    word = "namespace" if len(namespaces) == 1 else "namespaces"
    return f"there is a {TemplateKind.MODEL_TEMPLATE} of that name in {word} {listed(namespaces)}"


def _namespace_hint(here: str, elsewhere: Sequence[str]) -> str:
    near = closest(here, elsewhere, _NEAR_NAMESPACE)
    return f"; did you mean the namespace {near}?" if near else ""
