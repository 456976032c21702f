"""The command ``model-operator``."""

from __future__ import annotations

import sys

from model_operator.cli.app import PROGRAM, new_app
from model_operator.cli.explain import explain
from model_operator.cli.gateway import gateway
from model_operator.cli.init import init
from model_operator.cli.render import render
from model_operator.cli.revision import revision
from model_operator.cli.run import run
from model_operator.cli.schema import schema
from model_operator.cli.validate import validate

app = new_app(
    PROGRAM,
    "Deploys models from templates on Kubernetes.",
    (run, gateway, init, validate, render, revision, schema, explain),
)


def main() -> None:
    """Run the command line."""
    sys.exit(app())
