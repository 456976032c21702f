"""``model-operator run``: the operator itself."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from model_operator.cli.settings import read_settings
from model_operator.cli.terminal import fail, unguarded
from model_operator.kube.errors import LeadershipLostError, StartupError
from model_operator.process.garbage_collection import collect_less_often, without_collection
from model_operator.settings import LogFormat, LogLevel


def run(
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            help="Kubeconfig; by default $KUBECONFIG, ~/.kube/config, then the pod's ServiceAccount."
        ),
    ] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig.")] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="Watch only this namespace; may be repeated. Default: all."),
    ] = None,
    exclude_namespace: Annotated[
        list[str] | None,
        typer.Option(help="Ignore namespaces that match this pattern (*, ?); may be repeated."),
    ] = None,
    log_format: Annotated[LogFormat | None, typer.Option(help="Format of logs. Default: console.")] = None,
    log_level: Annotated[LogLevel | None, typer.Option(help="Minimum level of logs. Default: info.")] = None,
    health_port: Annotated[
        int | None, typer.Option(help="Port of /healthz, /readyz and /metrics, 0 for none. Default: 8080.")
    ] = None,
    webhook_port: Annotated[
        int | None, typer.Option(help="Port of the admission webhooks, 0 for none. Default: 0.")
    ] = None,
) -> None:
    """Run the operator until SIGTERM or Ctrl-C.

    Each option, and every further setting, can also be set by an environment variable
    MODEL_OPERATOR_<NAME>, for example MODEL_OPERATOR_NAMESPACES=team-a,team-b. Options take precedence.
    """
    collect_less_often()
    with without_collection():
        # Importing kopf takes half a second; the help does not need it.
        from model_operator.controller.operator import run_operator  # noqa: PLC0415
        from model_operator.process.logs import configure_logging  # noqa: PLC0415

    given: dict[str, Any] = {
        "kubeconfig": kubeconfig,
        "context": context,
        "namespaces": namespace,
        "exclude_namespaces": exclude_namespace,
        "log_format": log_format,
        "log_level": log_level,
        "health_port": health_port,
        "admission": None if webhook_port is None else {"port": webhook_port},
    }
    settings = read_settings(1, **given)
    configure_logging(settings.log_format, settings.log_level, unguarded(sys.stderr))
    try:
        asyncio.run(run_operator(settings))
    except StartupError as error:
        fail(str(error), code=1)
    except LeadershipLostError as error:
        raise typer.Exit(code=1) from error
