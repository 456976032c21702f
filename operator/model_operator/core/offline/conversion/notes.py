"""What a conversion has to say beside its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ConversionError(ValueError):
    """The manifests cannot be converted; the message says what is wrong and what to do."""


class Topic(StrEnum):
    """What a note is about; the value is its heading in the output."""

    CREDENTIAL = "Look like credentials; their values are left out:"
    BESIDE = "Create beside the instances, in their namespace:"
    NO_PLACE = "Has no place in a template:"
    ASSUMED = "Assumed, please check:"
    DIFFERS = "Differs from the manifest:"
    ADDED = "The operator adds to the pods:"


@dataclass(frozen=True, slots=True)
class Note:
    """One statement about a conversion.

    Attributes
    ----------
    topic
        What it is about.
    text
        The statement, without a value of a variable or a parameter.
    """

    topic: Topic
    text: str


@dataclass
class Draft:
    """A template while it is made; each step takes from the pod what it has a field for.

    Attributes
    ----------
    pod
        What is left of the pod template.
    container
        The container of the model in it, which is changed in place.
    bundle, endpoint
        ``bundle_config`` and ``endpoint_config``.
    rest
        The other fields of the template's ``spec``.
    notes
        What there is to say, in the order of the steps.
    """

    pod: dict[str, Any]
    container: dict[str, Any]
    bundle: dict[str, Any] = field(default_factory=dict)
    endpoint: dict[str, Any] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    @property
    def pod_spec(self) -> dict[str, Any]:
        """The ``spec`` of the pod template."""
        spec: dict[str, Any] = self.pod["spec"]
        return spec

    def note(self, topic: Topic, text: str) -> None:
        """Add a note."""
        self.notes.append(Note(topic, text))
