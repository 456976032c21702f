"""Wrong settings of the gateway end it with one line: the variable, what is wrong, and what is expected."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from model_operator.cli.main import app

PREFIX = "MODEL_OPERATOR_GATEWAY_"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"PORT": "9000", "HEALTH_PORT": "9000"},
            f"{PREFIX}HEALTH_PORT: must differ from the port of the API, 9000",
        ),
        (
            {"TLS_CERT_FILE": "tls.crt"},
            f"{PREFIX}TLS_KEY_FILE: is required with {PREFIX}TLS_CERT_FILE; give both or neither",
        ),
        (
            {"PROXY__IDLE_TIMOUT": "5"},
            f"{PREFIX}PROXY__IDLE_TIMOUT: unknown setting; did you mean {PREFIX}PROXY__IDLE_TIMEOUT?",
        ),
        ({"MAX_BODY_BYTES": "1"}, f"{PREFIX}MAX_BODY_BYTES: must be >= 1024, got a smaller number"),
        ({"IDENTITY": "x"}, f"{PREFIX}IDENTITY: must be a JSON object, or variables {PREFIX}<NAME>__<FIELD>"),
    ],
)
def test_a_wrong_setting_is_one_line(environment: dict[str, str], message: str) -> None:
    variables = {f"{PREFIX}{name}": value for name, value in environment.items()}
    result = CliRunner().invoke(app, ["gateway"], env=variables)

    assert result.exit_code == 1
    assert result.output.splitlines() == [f"model-operator: error: {message}"]
