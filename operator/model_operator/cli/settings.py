"""Reads the operator's settings from options and the environment."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from model_operator.cli.terminal import fail
from model_operator.settings import OperatorSettings


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
        fail("; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()), code)
    except SettingsError as error:
        fail(f"{error}: expected JSON, or variables MODEL_OPERATOR_<NAME>__<FIELD>", code)
