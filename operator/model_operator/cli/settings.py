"""Reads the operator's settings from options and the environment."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from model_operator.cli.terminal import fail
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.values.words import did_you_mean
from model_operator.settings import OperatorSettings

_UNKNOWN: Final = frozenset({"unexpected_keyword_argument", "extra_forbidden"})


def read_settings(code: int, **given: Any) -> OperatorSettings:
    """Return the settings, or end the program if one is invalid.

    Parameters
    ----------
    code
        Exit status for an invalid setting.
    given
        Options by the names of settings; the environment sets those that are None or empty.
    """
    try:
        return OperatorSettings(**{name: value for name, value in given.items() if value not in (None, [])})
    except ValidationError as error:
        fail("; ".join(map(_message, error.errors())), code)
    except SettingsError as error:
        fail(f"{error}: expected JSON, or variables MODEL_OPERATOR_<NAME>__<FIELD>", code)


def _message(entry: ErrorDetails) -> str:
    path = ".".join(map(str, entry["loc"]))
    if entry["type"] in _UNKNOWN:
        name = str(entry["loc"][-1])
        known = [each.name for each in fields(RenderSettings)] if entry["loc"] == ("rendering", name) else ()
        return f"{path}: unknown setting{did_you_mean(name, known)}"
    if entry["type"] == "value_error":
        return f"{path}: {entry['ctx']['error']}"
    return f"{path}: {entry['msg']}"
