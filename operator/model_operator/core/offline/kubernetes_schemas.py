"""Validates rendered objects against Kubernetes' own schemas, as an API server publishes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry

from model_operator.core.offline.stored_form import unknown_field
from model_operator.core.values.hints import did_you_mean, type_hint
from model_operator.core.values.violations import Violation, sort_violations
from model_operator.core.values.words import noun, nouns, shown_list


class KubernetesSchemas:
    """The schemas of the rendered kinds.

    Parameters
    ----------
    captured
        ``kubernetes``: the version; ``kinds``: ``<apiVersion> <kind>`` to the name of its schema; ``$defs``:
        JSON Schemas that refuse unknown fields.
    """

    def __init__(self, captured: Mapping[str, Any]) -> None:
        self.version = str(captured["kubernetes"])
        self._definitions = captured["$defs"]
        self._validators = {
            kind: Draft202012Validator(
                {"$ref": f"#/$defs/{name}", "$defs": self._definitions}, registry=Registry()
            )
            for kind, name in captured["kinds"].items()
        }

    def violations(self, obj: Mapping[str, Any]) -> tuple[Violation, ...]:
        """Return the violations of the schema of an object's kind.

        Parameters
        ----------
        obj
            A rendered child, as it is applied.
        """
        validator = self._validators[f"{obj['apiVersion']} {obj['kind']}"]
        found: list[Violation] = []
        for error in validator.iter_errors(obj):
            found += _violations(error, len(found))
        return sort_violations(found)

    def metadata_fields(self) -> frozenset[str]:
        """Return the fields that ``metadata`` of any object may have."""
        return frozenset(self._definitions["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]["properties"])


def _violations(error: ValidationError, faults: int) -> Iterator[Violation]:
    loc = tuple(error.absolute_path)
    instance: Any = error.instance
    wanted: Any = error.validator_value
    got = f"got {noun(instance)}"
    match error.validator:
        case "additionalProperties":
            known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
            unknown = [name for name in instance if name not in known]
            for number, name in enumerate(unknown, faults):
                yield unknown_field((*loc, name), known, faults=number)
        case "required":
            for name in wanted:
                if name not in instance:
                    yield Violation((*loc, name), "required field is missing", "missing")
        case "type":
            yield Violation(loc, f"must be {nouns({wanted})}, {got}{type_hint(instance, {wanted})}", "type")
        case "oneOf":
            types = {branch["type"] for branch in wanted}
            yield Violation(loc, f"must be {nouns(types)}, {got}{type_hint(instance, types)}", "type")
        case "enum":
            hint = did_you_mean(instance, [each for each in wanted if isinstance(each, str)])
            yield Violation(loc, f"must be one of {shown_list(wanted)}, got another value{hint}", "enum")
        case "minimum" | "maximum":
            yield Violation(loc, "must be a 32-bit integer, got a larger one", "range")
        case _:
            yield Violation(loc, f"must match Kubernetes' schema ({error.validator}), {got}", "schema")
