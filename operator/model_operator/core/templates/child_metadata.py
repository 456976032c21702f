"""Labels and annotations of a model's Deployment and other children, with their references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from model_operator.api import ModelTemplateSpec
from model_operator.api.service import ChildMetadata, is_child_label_value
from model_operator.core.templates.pod_paths import Path
from model_operator.core.templates.references import ParsedString, Scope, parse_text
from model_operator.core.templates.value_faults import ValueFault
from model_operator.core.values.violations import Loc

_KEYS: Final = ("labels", "annotations")
_LABEL: Final = (
    "the value of a label: at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"
)

_Texts = Mapping[str, ParsedString]


@dataclass(frozen=True, slots=True)
class ChildMetadataProgram:
    """Labels and annotations of the children, compiled once for a template.

    Attributes
    ----------
    labels, annotations
        Those of all children, by key.
    service_labels, service_annotations
        Those that only the Service has.
    """

    labels: _Texts
    annotations: _Texts
    service_labels: _Texts
    service_annotations: _Texts

    def render(self, scope: Scope, *, service: bool = False) -> dict[str, dict[str, str]]:
        """Return the labels and annotations of a child, without those of the operator.

        Parameters
        ----------
        scope
            Valid values, for which `faults` yields nothing.
        service
            Whether the child is the Service.
        """
        labels, annotations = self.labels, self.annotations
        if service:
            labels = {**labels, **self.service_labels}
            annotations = {**annotations, **self.service_annotations}
        return {
            name: {key: text.render(scope, kubelet=False) for key, text in texts.items()}
            for name, texts in zip(_KEYS, (labels, annotations), strict=True)
        }

    @property
    def texts(self) -> tuple[ParsedString, ...]:
        """All values."""
        parts = (self.labels, self.annotations, self.service_labels, self.service_annotations)
        return tuple(text for part in parts for text in part.values())

    def faults(self, scope: Scope) -> Iterator[ValueFault]:
        """Yield the references by which the value of a label is invalid."""
        for texts in (self.labels, self.service_labels):
            for text in texts.values():
                yield from label_faults(text, scope)


def compile_metadata(spec: ModelTemplateSpec) -> ChildMetadataProgram:
    """Compile ``metadata`` and the Service's metadata of a template without violations."""
    common, service = spec.metadata or ChildMetadata(), spec.service
    return ChildMetadataProgram(
        labels=_parsed(common.labels),
        annotations=_parsed(common.annotations),
        service_labels=_parsed(service.labels if service else {}),
        service_annotations=_parsed(service.annotations if service else {}),
    )


def metadata_sources(spec: ModelTemplateSpec) -> Iterator[tuple[Any, Loc, Path]]:
    """Yield the labels and annotations with their paths in the template and in a pod template.

    What a reference may do in the metadata of a pod, it may in that of a Service or Deployment: components
    act on the keys of their domain wherever they are.
    """
    for field, part in (("metadata", spec.metadata), ("service", spec.service)):
        for key in _KEYS:
            if part is not None:
                yield getattr(part, key), ("spec", field, key), ("metadata", key)


def label_faults(text: ParsedString, scope: Scope) -> Iterator[ValueFault]:
    """Yield the references by which a text is not the value of a label.

    Parameters
    ----------
    text
        Value of a label, with references.
    scope
        The values of the references.
    """
    if not is_child_label_value(text.render(scope, kubelet=False)):
        part = "" if text.sole_reference else "a part of "
        for reference in text.references:
            yield ValueFault(reference, f"{part}{_LABEL}", "label_value")


def _parsed(values: Mapping[str, str]) -> _Texts:
    return {key: parse_text(value, kubelet=False) for key, value in values.items()}
