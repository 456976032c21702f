"""The command ``model-operator``."""

from __future__ import annotations

import sys

from model_operator.cli.app import PROGRAM, Command, CommandGroup, new_app


class _Commands(CommandGroup):
    table = (
        Command(
            "run",
            "model_operator.cli.run:run",
            "Run the operator until SIGTERM or Ctrl-C.",
        ),
        Command(
            "gateway",
            "model_operator.cli.gateway:gateway",
            "Run the gateway, through which clients call models, until SIGTERM or Ctrl-C.",
        ),
        Command(
            "init",
            "model_operator.cli.init:init",
            "Make a template of a Deployment, a StatefulSet or a Pod, such as a chart's.",
        ),
        Command(
            "validate",
            "model_operator.cli.validate:validate",
            "Check templates and instances as the API server, the webhooks and the operator would.",
        ),
        Command(
            "render",
            "model_operator.cli.render:render",
            "Print the Deployments, Services and other objects that the operator would apply for instances.",
        ),
        Command(
            "revision",
            "model_operator.cli.revision:revision",
            "Print the revision of a template: its hash, which an instance may name.",
        ),
        Command(
            "schema",
            "model_operator.cli.schema:schema",
            "Print the JSON Schema (2020-12) of an instance of a template, or of a kind.",
        ),
        Command(
            "explain",
            "model_operator.cli.explain:explain",
            "Show the parameters that an instance of a template can set.",
        ),
    )


app = new_app(PROGRAM, "Deploys models from templates on Kubernetes.", _Commands)


def main() -> None:
    """Run the command line."""
    sys.exit(app())
