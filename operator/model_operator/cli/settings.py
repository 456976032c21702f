"""Reads settings from options and the environment, and says in one line which are wrong."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from model_operator.cli.terminal import fail
from model_operator.core.templates.render_settings import Accelerator, CaBundle, RenderSettings, Toleration
from model_operator.core.values.hints import closest, did_you_mean
from model_operator.core.values.words import alternatives, noun, plural
from model_operator.settings import SETTING_FAULT, AdmissionSettings, LeaseSettings, OperatorSettings

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Form(Generic[Settings]):
    """How the settings of one process are written.

    Attributes
    ----------
    settings
        The settings.
    prefix
        What the names of their variables begin with.
    groups
        The settings that are several variables, and the names of these.
    options
        Options that are not named like their setting.
    """

    settings: Callable[..., Settings]
    prefix: str
    groups: Mapping[str, Collection[str]]
    options: Mapping[str, str]


OPERATOR: Final = Form(
    OperatorSettings,
    "MODEL_OPERATOR_",
    {
        "rendering": [each.name for each in fields(RenderSettings)],
        "admission": list(AdmissionSettings.model_fields),
        "lease": list(LeaseSettings.model_fields),
    },
    {
        "namespaces": "--namespace",
        "exclude_namespaces": "--exclude-namespace",
        "admission": "--webhook-port",
    },
)
_MEMBERS: Final[Mapping[str, Collection[str]]] = {
    "accelerators": [each.name for each in fields(Accelerator)],
    "ca_bundle": [each.name for each in fields(CaBundle)],
    "tolerations": [each.name for each in fields(Toleration)],
    "gpu_tolerations": [each.name for each in fields(Toleration)],
}
"""Fields of the JSON in a variable."""
_UNKNOWN: Final = frozenset({"unexpected_keyword_argument", "extra_forbidden"})
_KINDS: Final = {
    "int_parsing": "an integer",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "a smaller integer",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "a string",
    "dict_type": "a JSON object",
    "mapping_type": "a JSON object",
    "model_type": "a JSON object",
    "dataclass_type": "a JSON object",
    "list_type": "a JSON list",
    "tuple_type": "a JSON list",
}
_BOUNDS: Final = {
    "greater_than_equal": ("ge", ">=", "smaller"),
    "greater_than": ("gt", ">", "smaller or equal"),
    "less_than_equal": ("le", "<=", "larger"),
}
_QUANTITY: Final = "a Kubernetes quantity, such as 2, 500m or 8Gi, or empty for none"
_OBJECT: Final = "the name of an object: lower-case letters, digits, '-' and '.'"
_RESOURCE: Final = "a resource with its domain, such as nvidia.com/gpu"
_FORMS: Final = {
    "default_cpus": _QUANTITY,
    "default_memory": _QUANTITY,
    "default_storage": _QUANTITY,
    "gpu_resource": _RESOURCE,
    "resource": _RESOURCE,
    "free_metadata_domains": "domains separated by commas, such as example.com",
    "env": "the name of a variable: letters, digits, '_', '-' and '.', not starting with a digit",
    "name": _OBJECT,
    "config_map": _OBJECT,
    "secret": _OBJECT,
    "key": "a key of the object: letters, digits, '-', '_' and '.'",
}
"""What a field with a pattern takes."""


def read_settings(code: int, **given: Any) -> OperatorSettings:
    """Return the operator's settings; see :func:`read`."""
    return read(OPERATOR, code, **given)


def read(form: Form[Settings], code: int, **given: Any) -> Settings:
    """Return settings, or end the program if one is invalid.

    Parameters
    ----------
    form
        Which settings, and how they are written.
    code
        Exit status for an invalid setting.
    given
        Options by the names of settings; the environment sets those that are None or empty.
    """
    stated = {name: value for name, value in given.items() if value not in (None, [])}
    try:
        return form.settings(**stated)
    except ValidationError as error:
        fail("; ".join(_message(form, entry, stated) for entry in error.errors(include_url=False)), code)
    except SettingsError:
        broken = alternatives([f"{form.prefix}{name.upper()}" for name in _unreadable(form)] or [form.prefix])
        fail(f"{broken}: must be a JSON object, or variables {form.prefix}<NAME>__<FIELD>", code)


def _unreadable(form: Form[Any]) -> list[str]:
    """Return the settings of several fields whose own variable holds no JSON."""
    found = []
    for name in form.groups:
        try:
            json.loads(os.environ.get(f"{form.prefix}{name.upper()}") or "{}")
        except ValueError:
            found.append(name)
    return found


def _message(form: Form[Any], entry: ErrorDetails, options: Collection[str]) -> str:
    code, context = entry["type"], entry.get("ctx", {})
    loc = [str(part) for part in entry["loc"]]
    if code == SETTING_FAULT:
        loc.append(context["field"])
    loc = loc or [""]
    count = 2 if loc[0] in form.groups else 1
    group, names, inner = loc[0], loc[:count], [part for part in loc[count:] if part != "[key]"]
    if group in options:
        variable = form.options.get(group, f"--{group.replace('_', '-')}")
    else:
        variable = form.prefix + "__".join(names).upper()
    where = f"{variable}: {'.'.join(inner)}: " if inner else f"{variable}: "
    if code in _UNKNOWN:
        if inner:
            return f"{where}unknown field{did_you_mean(inner[-1], _MEMBERS.get(names[-1], ()))}"
        near = closest(names[-1], form.groups.get(group, ()))
        hint = f"; did you mean {form.prefix}{group.upper()}__{near.upper()}?" if near else ""
        return f"{where}unknown setting{hint}"
    return f"{where}{_fault(entry, [*names, *inner])}"


def _fault(entry: ErrorDetails, loc: Sequence[str]) -> str:
    """Return what is wrong and what is expected, without the value: it may have credentials of a proxy."""
    code, context = entry["type"], entry.get("ctx", {})
    if code == SETTING_FAULT:
        return str(context["message"])
    if code == "value_error":
        return str(context["error"])
    if code in _KINDS:
        return f"must be {_KINDS[code]}, got {_given(entry['input'])}"
    if code in {"enum", "literal_error"}:
        allowed = re.findall("'([^']*)'", context["expected"])
        hint = did_you_mean(entry["input"], allowed)
        return f"must be {alternatives(allowed)}, got {_given(entry['input'])}{hint}"
    if code in _BOUNDS:
        key, sign, got = _BOUNDS[code]
        return f"must be {sign} {context[key]:g}, got a {got} number"
    if code == "string_pattern_mismatch":
        # An item of a list is a number in the path.
        names = [name for name in reversed(loc) if name in _FORMS]
        expected = _FORMS[names[0]] if names else f"a text of the pattern {context['pattern']}"
        return f"must be {expected}; got another text"
    if code == "string_too_long":
        return f"must have at most {plural(context['max_length'], 'character')}, got more"
    return entry["msg"]


def _given(value: Any) -> str:
    """Return what a variable holds, which is text unless it is JSON."""
    return "another text" if isinstance(value, str) else noun(value)
