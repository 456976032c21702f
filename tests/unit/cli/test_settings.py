"""A wrong setting is named by its variable, in one line: what is wrong, and what is expected."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner, Result

from model_operator.cli.main import app
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.settings import AdmissionSettings, LeaseSettings, OperatorSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


def invoke(env: Mapping[str, str]) -> Result:
    return CliRunner().invoke(app, ["validate", "-", "--allow-empty"], input="", env=dict(env))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("WORKERS", "0", "must be >= 1, got a smaller number"),
        ("WORKERS", "many", "must be an integer, got another text"),
        ("LOG_LEVEL", "warn",
         "must be debug, info, warning or error, got another text; did you mean warning?"),
        ("REQUEST_TIMEOUT_SECONDS", "0", "must be > 0, got a smaller or equal number"),
        ("STALLED_AFTER_SECONDS", "soon", "must be a number, got another text"),
        ("ADMISSION", "[]", "must be a JSON object, got a list"),
        ("ADMISSION", "x", "must be a JSON object, or variables MODEL_OPERATOR_<NAME>__<FIELD>"),
        ("ADMISSION__PROT", "1", "unknown setting; did you mean MODEL_OPERATOR_ADMISSION__PORT?"),
        ("ADMISSION__TOKEN_FILE", "/t",
         "requires cert_dir; without it the operator issues and publishes a token"),
        ("LEASE__NAME", "A_B",
         ("must be the name of an object: lower-case letters, digits, '-' and '.'; got another "
         "text")),
        ("LEASE__DURATION_SECONDS", "3", "must be more than renew_deadline_seconds, 10; got 3"),
        ("RENDERING__DEFAULT_CPU", "2",
         "unknown setting; did you mean MODEL_OPERATOR_RENDERING__DEFAULT_CPUS?"),
        ("RENDERING__DEFAULT_CPUS", "many",
         ("must be a Kubernetes quantity, such as 2, 500m or 8Gi, or empty for none; got another"
         " text")),
        ("RENDERING__RUN_AS_NON_ROOT", "maybe", "must be true or false, got another text"),
        ("RENDERING__CA_BUNDLE", '{"configMap": "ca"}',
         "configMap: unknown field; did you mean config_map?"),
        ("RENDERING__CA_BUNDLE", "{}",
         "give exactly one of config_map and secret: the object that has the bundle"),
        ("RENDERING__ENV", "TOKEN=x", 'must be JSON, such as {"HF_HOME": "/cache"}'),
        ("RENDERING__ENV", '{"A": 1}', "A: must be a string, got an integer"),
        ("RENDERING__ACCELERATORS", '{"l4": {"resorce": "x"}}',
         "l4.resorce: unknown field; did you mean resource?"),
        ("RENDERING__TOLERATIONS", '[{"effect": "NoSchedul"}]',
         ("0.effect: must be NoSchedule, PreferNoSchedule or NoExecute, got another text; did "
         "you mean NoSchedule?")),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_what_is_expected(name: str, value: str, message: str) -> None:
    result = invoke({f"MODEL_OPERATOR_{name}": value})

    expected = f"model-operator: error: MODEL_OPERATOR_{name}: {message}\n"
    assert (result.exit_code, result.stderr) == (2, expected)


VALUES = ("hunter2", "-1", "99999999999999999999", "[]", '["hunter2"]', '{"a": "hunter2"}', "1.5")


@pytest.mark.parametrize("value", VALUES)
def test_of_any_setting_no_prose_of_pydantic_and_no_value_is_shown(value: str) -> None:
    groups: dict[str, type[BaseModel]] = {"admission": AdmissionSettings, "lease": LeaseSettings}
    names = [name for name in OperatorSettings.model_fields if name not in {*groups, "rendering"}]
    names += [f"{group}__{name}" for group, model in groups.items() for name in model.model_fields]
    names += [f"rendering__{each.name}" for each in fields(RenderSettings)]

    for name in names:
        shown = invoke({f"MODEL_OPERATOR_{name.upper()}": value}).stderr
        assert not any(prose in shown for prose in ("Input should", "String should", "valid ", "instance of"))
        assert "hunter2" not in shown
        # Two settings that contradict each other are reported at one of them.
        assert not shown.startswith("model-operator: error:") or (
            shown.startswith(f"model-operator: error: MODEL_OPERATOR_{name.partition('__')[0].upper()}")
            and shown.count("\n") == 1
        )
