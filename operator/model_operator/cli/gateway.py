"""``model-operator gateway``: the gateway."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from model_operator.cli.settings import Form, read
from model_operator.cli.terminal import fail, unguarded
from model_operator.gateway.identity_settings import IdentitySettings
from model_operator.gateway.proxy_settings import ProxySettings
from model_operator.gateway.settings import GatewaySettings
from model_operator.kube.errors import StartupError
from model_operator.process.garbage_collection import without_collection
from model_operator.settings import LogFormat, LogLevel

_FORM: Final = Form(
    GatewaySettings,
    "MODEL_OPERATOR_GATEWAY_",
    {"identity": list(IdentitySettings.model_fields), "proxy": list(ProxySettings.model_fields)},
    {"namespaces": "--namespace"},
)


def gateway(
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            help="Kubeconfig; by default $KUBECONFIG, ~/.kube/config, then the pod's ServiceAccount."
        ),
    ] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig.")] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace", "-n", help="Register only the models of this namespace; may be repeated."
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address of the API. Default: 0.0.0.0.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API. Default: 8080.")] = None,
    health_port: Annotated[
        int | None, typer.Option(help="Port of /healthz, /readyz and /metrics, 0 for none. Default: 8081.")
    ] = None,
    log_format: Annotated[LogFormat | None, typer.Option(help="Format of logs. Default: console.")] = None,
    log_level: Annotated[LogLevel | None, typer.Option(help="Minimum level of logs. Default: info.")] = None,
) -> None:
    """Run the gateway, through which clients call models, until SIGTERM or Ctrl-C.

    Each option, and every further setting, can also be set by an environment variable
    MODEL_OPERATOR_GATEWAY_<NAME>, for example MODEL_OPERATOR_GATEWAY_NAMESPACES=team-a,team-b. Options take
    precedence.
    """
    with without_collection():
        # As in `run`, for aiohttp.
        from model_operator.gateway.gateway_process import run_gateway  # noqa: PLC0415
        from model_operator.process.logs import configure_logging  # noqa: PLC0415

    given: dict[str, Any] = {
        "kubeconfig": kubeconfig,
        "context": context,
        "namespaces": namespace,
        "host": host,
        "port": port,
        "health_port": health_port,
        "log_format": log_format,
        "log_level": log_level,
    }
    settings = read(_FORM, 1, **given)
    configure_logging(settings.log_format, settings.log_level, unguarded(sys.stderr))
    try:
        asyncio.run(run_gateway(settings))
    except StartupError as error:
        fail(str(error), code=1)
