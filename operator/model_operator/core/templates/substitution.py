"""Find the references in a pod template, check them against the declared parameters, substitute values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from model_operator.core.parameters.schema import ParameterSchema
from model_operator.core.templates.almost_references import almost_reference
from model_operator.core.templates.guarded_fields import is_chosen_by_the_author, is_command, is_metadata_key
from model_operator.core.templates.kubelet_expansion import double_dollars, is_expanded_by_kubelet
from model_operator.core.templates.pod_fields import (
    FieldSpec,
    FieldType,
    field_spec,
    holds_strings,
)
from model_operator.core.templates.pod_paths import Path
from model_operator.core.templates.references import (
    ParsedString,
    Reference,
    ReferenceSyntaxError,
    Scope,
    parse_text,
    text_form,
)
from model_operator.core.values.json_values import JSON_TYPES, MAPPINGS
from model_operator.core.values.violations import Loc, Violation
from model_operator.core.values.words import did_you_mean, nouns

_ACCEPTED = {
    FieldType.STRING: frozenset(JSON_TYPES) - {"null"},
    FieldType.INTEGER: frozenset({"integer"}),
    FieldType.BOOLEAN: frozenset({"boolean"}),
    FieldType.INTEGER_OR_STRING: frozenset({"integer", "string"}),
    FieldType.QUANTITY: frozenset({"integer", "number", "string"}),
    FieldType.OBJECT: frozenset({"object"}),
    FieldType.LIST: frozenset({"array"}),
}

_TEXTS = (FieldType.STRING, FieldType.INTEGER_OR_STRING, FieldType.QUANTITY)
"""Types of which a reference may be a part."""


@dataclass(frozen=True, slots=True)
class TemplatedField:
    """A string of a pod template that contains references.

    Attributes
    ----------
    path
        Path of the string in the pod template.
    field
        Specification of the field.
    text
        The parsed string.
    """

    path: Path
    field: FieldSpec
    text: ParsedString

    def value(self, scope: Scope) -> Any:
        """Return the value of the field; a list of items if the reference expands a list."""
        reference, kubelet = self.text.sole_reference, self.field.kubelet
        if reference is None:
            return self.text.render(scope, kubelet=kubelet)
        value = scope.value(reference)
        if reference.expands:
            return [self._typed(item) for item in value or ()]
        return self._typed(value)

    def _typed(self, value: Any) -> Any:
        if self.field.type in (FieldType.STRING, FieldType.QUANTITY):
            return text_form(value, kubelet=self.field.kubelet)
        return _fresh(value, tuple(part for part in self.path if isinstance(part, str)))


def compile_positions(pod: dict[str, Any]) -> tuple[TemplatedField, ...]:
    """Return the fields of a pod template that contain references, in order.

    In fields that the kubelet does not expand, ``$$(`` is replaced by ``$(`` in `pod` itself.

    Parameters
    ----------
    pod
        A pod template whose strings have passed `check_text`.
    """
    positions = []
    for path, text in list(strings(pod)):
        if "$(" not in text:
            continue
        field = field_spec(path)
        read = parse_text(text, kubelet=field.kubelet)
        if read.references:
            positions.append(TemplatedField(path, field, read))
        else:
            _container_of(pod, path)[path[-1]] = read.parts[0]
    return tuple(positions)


def substitute(pod: dict[str, Any], positions: Sequence[TemplatedField], scope: Scope) -> None:
    """Substitute the values in a pod template, in place."""
    # Backwards, so that an expanded list does not change the indices before it.
    for position in reversed(positions):
        container, key = _container_of(pod, position.path), position.path[-1]
        value = position.value(scope)
        reference = position.text.sole_reference
        if reference is not None and reference.expands:
            container[key : key + 1] = value  # type: ignore[operator]
        else:
            container[key] = value


def strings(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every string inside a JSON value with its path, in order; keys are left out."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, MAPPINGS):
        for key, item in value.items():
            yield from strings(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from strings(item, (*path, index))


def keys(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every key of an object inside a JSON value with the path of the object, in order."""
    if isinstance(value, MAPPINGS):
        for key, item in value.items():
            yield path, key
            yield from keys(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from keys(item, (*path, index))


def check_text(
    text: str,
    loc: Loc,
    path: Path,
    parameters: ParameterSchema,
    *,
    guarded: bool | None = None,
    field: FieldSpec | None = None,
) -> Iterable[Violation]:
    """Yield the violations of the references in a string of a template.

    Parameters
    ----------
    text
        The string.
    loc
        Path of the string in the template.
    path
        Path of the string in the pod template.
    parameters
        The parameters that the template declares.
    guarded
        Whether the field is guarded in this template; None for the rule in general.
    field
        Specification of the field. Default: that of `path`.
    """
    almost = almost_reference(text, parameters)
    if almost is not None:
        yield Violation(loc, str(almost), "almost_reference")
        return
    if "$(" not in text:
        return
    field = field_spec(path) if field is None else field
    if guarded is not None:
        field = replace(field, guarded=guarded)
    try:
        read = parse_text(text, kubelet=field.kubelet)
    except ReferenceSyntaxError as error:
        yield Violation(loc, str(error), "reference_syntax")
        return
    for reference in read.references:
        fault = _fault(reference, read, field, parameters)
        if fault is None and reference.expands and path[-1] == 0 and is_command(path):
            fault = _NO_PROGRAM
        if fault is not None:
            message, code = fault
            if fault in (NOT_CLOSED, CHOSEN) and is_metadata_key(path):
                message += _KEY_ADVICE
            yield Violation(loc, f"{reference} {message}", code)


def _fault(
    reference: Reference, read: ParsedString, field: FieldSpec, parameters: ParameterSchema
) -> tuple[str, str] | None:
    sole_reference = read.sole_reference is not None
    if not sole_reference and field.type not in _TEXTS:
        return (
            f"cannot be part of a text where {field.type.value} is expected; make it the whole value",
            "reference_type",
        )
    if reference.source == "instance":
        return _instance_fault(reference, field, sole_reference=sole_reference)
    name = reference.name
    if not parameters.declares(name):
        message = "refers to a parameter that is not declared; declare it in model_creation_parameters_schema"
        hint = did_you_mean(name, parameters.properties, "$(parameters.{})")
        return f"{message}{hint}", "undeclared_parameter"
    if reference.member is not None or parameters.is_secret_ref(name):
        return _secret_fault(reference, field, parameters, sole_reference=sole_reference)
    if reference.expands:
        return _expansion_fault(reference, field, parameters, sole_reference=sole_reference)
    if not parameters.always_has_value(name):
        message = (
            "needs a parameter that always has a value; make it required or give it a default in the schema"
        )
        return f"{message}; an entry of env does not count as one", "no_value"
    fault = _type_fault(parameters.types(name), field)
    if fault is None and field.guarded and not parameters.has_enum(name):
        return NOT_CLOSED
    return fault


def _instance_fault(
    reference: Reference, field: FieldSpec, *, sole_reference: bool
) -> tuple[str, str] | None:
    if field.type is FieldType.QUANTITY:
        return "is no quantity, which is expected here; refer to a parameter", "reference_type"
    fault = _type_fault(frozenset({"string"}), field) if sole_reference else None
    is_taken = field.takes_name and sole_reference and reference.name == "name"
    if fault is None and field.guarded and not is_taken and is_chosen_by_the_author(reference):
        return CHOSEN
    return fault


def _secret_fault(
    reference: Reference, field: FieldSpec, parameters: ParameterSchema, *, sole_reference: bool
) -> tuple[str, str] | None:
    """Return the fault of a reference to a secret, or to the name or the key of one.

    These fields are guarded otherwise. Here the template lets the instance choose the Secret anyway, as with
    the variable, and gets the same warning if it does not list the allowed ones.
    """
    if field.whole_secret:
        message = (
            "cannot be used here: an x-secret-ref is one key of a Secret, and this field takes a whole one; "
            "declare a parameter of the type string, with enum of the names of the allowed Secrets"
        )
        return message, "secret_in_text"
    if reference.member is None:
        return _secret_in_text(reference.name, parameters), "secret_in_text"
    if not parameters.is_secret_ref(reference.name):
        message = f"needs a parameter with x-secret-ref; refer to the value by $(parameters.{reference.name})"
        return message, "reference_type"
    if field.secret != reference.member or not sole_reference:
        where = {
            "name": "secretName of a volume, name of a projected Secret or of a secretKeyRef",
            "key": "key of an item of a Secret in volumes, or of a secretKeyRef",
        }[reference.member]
        return f"can only be the whole value of {where}", "secret_in_text"
    if not parameters.always_has_value(reference.name):
        return "needs a parameter that always has a value; make it required or give it a default", "no_value"
    return None


def _secret_in_text(name: str, parameters: ParameterSchema) -> str:
    variable = f"the container has it as variable {name}, and " if parameters.is_variable(name) else ""
    return (
        f"refers to a secret, which cannot be put into a field; {variable}a volume can name it by "
        f"$(parameters.{name}.name) and $(parameters.{name}.key)"
    )


def _expansion_fault(
    reference: Reference, field: FieldSpec, parameters: ParameterSchema, *, sole_reference: bool
) -> tuple[str, str] | None:
    if not (sole_reference and field.is_item):
        return "must be a whole item of a list; without [*] it is the list itself", "misplaced_expansion"
    # An optional list that is not set, or null, has no items.
    types = parameters.types(reference.name) - {"null"}
    if types != {"array"}:
        return f"needs a parameter that is a list, the declared one can be {_words(types)}", "reference_type"
    fault = _type_fault(parameters.item_types(reference.name), field)
    is_closed = parameters.has_enum(reference.name) or parameters.items_have_enum(reference.name)
    if fault is None and field.guarded and not is_closed:
        return NOT_CLOSED
    return fault


NOT_CLOSED: Final = (
    "needs a parameter with enum here: the field decides what the pod may do or see",
    "closed_values",
)
CHOSEN: Final = (
    (
        "is not allowed here: the author of an instance chooses its value, and the field decides what the "
        "pod may do or see; use $(instance.namespace), $(instance.id) or a parameter with enum"
    ),
    "closed_values",
)
_KEY_ADVICE: Final = (
    ". A component may act on labels and annotations of its domain; the operator administrator can list "
    "other domains in MODEL_OPERATOR_RENDERING__FREE_METADATA_DOMAINS"
)
_NO_PROGRAM: Final = (
    "cannot be the first item of a command: it may be empty, and the next item would be run",
    "misplaced_expansion",
)


def _type_fault(types: frozenset[str], field: FieldSpec) -> tuple[str, str] | None:
    surplus = types - _ACCEPTED[field.type]
    if not surplus:
        return None
    expected = field.type.value
    return f"must be {expected} here, the declared parameter can be {_words(surplus)}", "reference_type"


def _words(types: Iterable[str]) -> str:
    return nouns(sorted(types)) or "no list"


def _container_of(pod: Any, path: Path) -> Any:
    for part in path[:-1]:
        pod = pod[part]
    return pod


def _fresh(value: Any, names: tuple[str, ...]) -> Any:
    """Return a copy of a parameter's value, each scalar in the form that its field requires."""
    match value:
        case Mapping():
            return {key: _fresh(item, (*names, key)) for key, item in value.items()}
        case list() | tuple():
            return [_fresh(item, names) for item in value]
        case str() if is_expanded_by_kubelet(names):
            return double_dollars(value)
        case bool() | int() | float() if holds_strings(names):
            return text_form(value, kubelet=False)
    return value
