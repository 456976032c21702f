"""The bodies with which the platform's clients create and change a model.

Source: ``ModelInstanceRequest`` of the platform's document. Unknown fields are ignored, since no schema of it
forbids them. An optional field may be null, as clients send it; that is no value. Where the document says
integer, a string of digits is not one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from model_operator.api.enums import ModelType, ModelVendor, UiModelSectionType
from model_operator.core.gateway.rest.entries import Entry
from model_operator.core.gateway.rest.object_names import object_name
from model_operator.core.gateway.rest.request_reading import entries_of, read_body, read_object

LONGEST_NAME: Final = 40
"""Characters of the name of an instance, of which those of its Deployments are made."""
LONGEST_TEXT: Final = 253
"""Characters of the name of a model, as ``spec.name`` has it."""
_RESERVED: Final = "kubernetes"
"""The name of the API server's own Service."""


def _integral(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _names_an_object(name: str) -> str:
    if instance_name(name) is None:
        raise PydanticCustomError(
            "object_name",
            "must have a letter or digit of ASCII for the name of the object, and not be 'kubernetes'. "
            "Action (user): choose another name, and give this one as display_name",
        )
    return name


JsonInteger = Annotated[int, BeforeValidator(_integral), Field(strict=True)]
"""An integer as JSON Schema defines it: ``7`` and ``7.0``, but not ``"7"`` or true."""


class RequestBody(BaseModel):
    """Base class of what a client sends."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class ModelDetails(RequestBody):
    """Figures about a base model."""

    number_of_parameters: JsonInteger | None = None
    token_context_window: JsonInteger | None = None
    languages: JsonInteger | None = None
    alignments: JsonInteger | None = None


class ModelMetadata(RequestBody):
    """Catalogue entry of a base model."""

    ui_model_section_type: UiModelSectionType | None = None
    model_developer: str | None = None
    model_license_url: str | None = None
    delivery_date: str | None = None
    modelDetails: ModelDetails | None = None  # noqa: N815 -- the platform spells it so


class NewModel(RequestBody):
    """The body of a request for a new model, in the order of the platform's document."""

    name: Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_names_an_object)]
    """Any text of which a letter or digit is left in the name of the object."""
    display_name: str | None = None
    model_vendor: ModelVendor | None = None
    model_type: ModelType
    base_model_id: str | None = None
    base_model_metadata: ModelMetadata | None = None
    model_creation_parameters: dict[str, Any] | None = None
    model_card: str | None = None
    training_data_card: str | None = None
    description: str | None = None
    model_template_id: str | None = None
    model_group_id: str | None = None
    account_id: str


class _ChangedModel(NewModel):
    # A default makes them optional; null is no value of theirs.
    name: str = ""
    model_type: ModelType = ModelType.GENERIC
    account_id: str = ""


def read_model_draft(body: bytes) -> tuple[NewModel, tuple[Entry, ...]]:
    """Return the valid fields of a request for a new model, and what is wrong with the others.

    With it the parameters can be judged by the template even if another field is wrong, so that one answer
    names all. Fields that are required and not valid are missing in the draft: reading one raises
    AttributeError, so ask ``model_fields_set``, and create nothing from it. `entries.merged` joins the
    entries of both.

    Parameters
    ----------
    body
        As the client sent it.

    Raises
    ------
    Failure
        INVALID when the body is no object at all.
    """
    given = read_object(body)
    try:
        return NewModel.model_validate(given), ()
    except ValidationError as error:
        entries = entries_of(error)
    wrong = {str(entry.loc[1]) for entry in entries}
    valid = {name: given[name] for name in NewModel.model_fields if name in given and name not in wrong}
    read = _ChangedModel.model_validate(valid)
    kept = {name: getattr(read, name) for name in valid}
    return NewModel.model_construct(_fields_set=set(valid), **kept), entries


def read_model_patch(body: bytes) -> dict[str, Any]:
    """Return the changes to a model, by field: JSON values, and None for a field to remove.

    Only fields that the client sent are in it, so that null differs from absent.

    Parameters
    ----------
    body
        As the client sent it.

    Raises
    ------
    Failure
        INVALID with all that is wrong, a null for ``name`` or ``model_type`` included.
    """
    patch = read_body(body, _ChangedModel)
    return {name: field_value(patch, name) for name in sorted(patch.model_fields_set)}


def field_value(request: BaseModel, name: str) -> Any:
    """Return a field of a request as JSON, without the nulls that stand for no value.

    Parameters are returned as they were sent: there, null is a value.
    """
    value = getattr(request, name)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    return value.value if isinstance(value, StrEnum) else value


def instance_name(name: str) -> str | None:
    """Return the name of the object for the name of a model; None when it gives none, or a reserved one."""
    found = object_name(name, LONGEST_NAME, starts_with_letter=True)
    return None if found == _RESERVED else found
