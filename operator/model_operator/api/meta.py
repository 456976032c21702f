"""The common part of all kinds: group and version, base classes, metadata and conditions."""

# ruff: noqa: N815 -- the names of fields are those on the wire, camelCase where Kubernetes defines them

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from model_operator.api.enums import ConditionStatus
from model_operator.api.rules import Rule, add_rules

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

GROUP = "modeloperator.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class ApiModel(BaseModel):
    """Base class of all models in a resource.

    Immutable. Unknown fields are ignored, because a live object may come from a newer version of the API.
    Attribute names are the names on the wire, or have one that is no name in Python as alias, so
    ``model_dump(mode="json")`` returns the wire form. The
    docstring of a field is its description in the CRD and in ``kubectl explain``.

    Attributes
    ----------
    rules
        Rules over several fields of this object; a rule of a single field is in its annotation.
    """

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        protected_namespaces=(),
        serialize_by_alias=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        broken = [rule for rule in self.rules if rule.is_broken_by(self)]
        if broken:
            raise ValidationError.from_exception_data(
                type(self).__name__,
                [
                    InitErrorDetails(
                        type=rule.to_error(self),
                        loc=tuple(rule.field.split(".")) if rule.field else (),
                        input=None,
                    )
                    for rule in broken
                ],
            )
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        reference = handler(core_schema)
        schema = handler.resolve_ref_schema(reference)
        schema.update(add_rules(dict(schema), *cls.rules))
        return reference


class OwnerReference(ApiModel):
    """A reference to the object that owns this one."""

    apiVersion: str
    """Group and version of the owner."""
    kind: str
    """Kind of the owner."""
    name: str
    """Name of the owner."""
    uid: str
    """UID of the owner; differs from that of a recreated object of the same name."""
    controller: bool = False
    """Whether the owner is the controller of this object."""
    blockOwnerDeletion: bool = False
    """Whether a foreground deletion of the owner waits for this object."""


class ObjectMeta(ApiModel):
    """The part of Kubernetes' ObjectMeta that the operator reads.

    A missing string is empty: a manifest that was never sent to a cluster has no uid. A null is a missing
    field, as for Kubernetes' own types: API servers such as 1.30's send a webhook ``creationTimestamp: null``
    in the new object of a replace.
    """

    name: str = ""
    """Name of the object; empty until the server has generated one."""
    generateName: str = ""
    """Prefix from which the server generates the name."""
    namespace: str = ""
    """Namespace of the object; empty if it is cluster-scoped."""
    uid: str = ""
    """Identifier assigned by the server, never reused."""
    generation: int = 0
    """Number of the specification; the server increments it with each change."""
    resourceVersion: str = ""
    """Opaque version of the whole object."""
    creationTimestamp: str = ""
    """Time of creation, RFC 3339, UTC."""
    deletionTimestamp: str | None = None
    """Time at which deletion was requested, RFC 3339, UTC; None if it was not."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations."""
    finalizers: list[str] = Field(default_factory=list)
    """Finalizers that must be removed before the server removes the object."""
    ownerReferences: list[OwnerReference] = Field(default_factory=list)
    """Owners; the garbage collector deletes the object with the last of them."""

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {name: each for name, each in value.items() if each is not None}


class Resource(ApiModel):
    """Base class of the kinds.

    Attributes
    ----------
    plural, singular, short_name
        Names in URLs and on kubectl's command line.
    namespaced
        Whether objects live in a namespace.
    """

    plural: ClassVar[str]
    singular: ClassVar[str]
    short_name: ClassVar[str]
    namespaced: ClassVar[bool] = True

    apiVersion: str = API_VERSION
    """Group and version of the object."""
    metadata: ObjectMeta
    """Name, namespace, labels and other metadata."""


CHARACTERS = (
    ("[A-Z]", "; it has an upper-case letter"),
    ("_", "; it has an underscore"),
    ("[.]", "; it has a '.'"),
    (" ", "; it has a space"),
    ("[^-a-z0-9]", "; it has a character that is none of these"),
    ("^-", "; it starts with '-'"),
    ("-$", "; it ends with '-'"),
)
"""Details of a rule for names: which part of it is broken."""


def name_rule(pattern: str, max_length: int, message: str, reserved: str = "") -> Rule:
    """Return the rule for ``metadata.name`` of a kind.

    It is a rule of the whole object: for ``maxLength`` and ``pattern`` of a property the server's message
    does not say what to do, and RE2 cannot exclude a single word.

    Parameters
    ----------
    pattern
        Regular expression (RE2 and Python) for the whole name.
    max_length
        Maximum length of the name, in characters.
    message
        The form of a name, and the reason.
    reserved
        One name that is rejected although it matches.
    """

    def holds(resource: Resource) -> bool:
        name = resource.metadata.name
        # With generateName the server has not generated the name yet.
        fits = len(name) <= max_length and re.fullmatch(pattern, name) is not None and name != reserved
        return not name or fits

    cel = f"size(self.metadata.name) <= {max_length} && self.metadata.name.matches('{pattern}')"
    if reserved:
        cel += f" && self.metadata.name != '{reserved}'"
    details = (
        (f"(?s)^.{{{max_length + 1}}}", f"; it has more than {max_length} characters"),
        *CHARACTERS,
        *(() if re.fullmatch(pattern, "0") else (("^[0-9]", "; it starts with a digit"),)),
    )
    return Rule(cel, message, holds, field="metadata.name", details=details, text="self.metadata.name")


class Condition(ApiModel):
    """One aspect of an object's state, as in metav1.Condition."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """Type of the condition, in CamelCase."""
    status: ConditionStatus
    """Whether the condition holds: True, False or Unknown."""
    observedGeneration: Annotated[int, Field(strict=True, ge=0)] | None = None
    """The metadata.generation that the condition is based on."""
    lastTransitionTime: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """Time at which the status last changed, RFC 3339, UTC."""
    reason: Annotated[
        str, Field(min_length=1, max_length=1024, pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    ]
    """Reason for the status, a code in CamelCase."""
    message: Annotated[str, Field(max_length=32768)]
    """Explanation for people: the cause, who must act, and the next step."""
