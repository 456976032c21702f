"""The operator under test is the one of the image: it loads the same packages."""

from __future__ import annotations

import json
import subprocess
import sys

from packaging.utils import canonicalize_name

from hack.sbom import LOCK, PINNED

LOADED = """
import json, sys
from importlib.metadata import packages_distributions
import model_operator.cli.validate, model_operator.cli.plugin.choices, model_operator.controller.operator
known = packages_distributions()
print(json.dumps([name for module in sys.modules for name in known.get(module.partition(".")[0], ())]))
"""
OURS = {"model-operator", "editables"}
HARMLESS = {
    "chardet",  # of cyclonedx-bom; requests takes it for its own
    "greenlet",  # of playwright; structlog takes it for its own contexts
    "setuptools",  # of the virtual environment, up to Python 3.11
}


def test_only_packages_of_the_image_are_loaded() -> None:
    """Libraries load what they find, as jsonschema does, and are slower or judge differently then."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=120
    )
    loaded = {canonicalize_name(name) for name in json.loads(done.stdout)}
    locked = {canonicalize_name(name) for name, _ in PINNED.findall(LOCK.read_text())}

    assert {"jsonschema", "kopf", "pydantic"} <= loaded
    assert loaded - OURS - HARMLESS - locked == set()
