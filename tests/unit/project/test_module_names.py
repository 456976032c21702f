"""Modules are found by their names: no two of the product have one, but for those that belong together."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

PRODUCT = Path(__file__).parents[3] / "operator" / "model_operator"
SHELL = "the decisions in core, and the part of the controller that acts on them"
KIND = "one kind of our API in each of its stages"
FIELD = "fields of our API, and what is rendered from them"
COMMAND = "a command is in the module of its name, beside what it calls"
SAME_NAME = {
    "certificate": SHELL,
    "contention": SHELL,
    "events": SHELL,
    "grace": SHELL,
    "pinned_pods": SHELL,
    "replicas_handover": SHELL,
    "instance": KIND,
    "template": KIND,
    "service": FIELD,
    "instances": COMMAND,
    "templates": COMMAND,
    "render": COMMAND,
    "revision": COMMAND,
    "schema": COMMAND,
    "status": COMMAND,
    "identity": "who wrote an instance, who calls a model, and what names a revision",
    "main": "the operator's program, and the kubectl plugin's",
    "sharing": "the fields by which a template is shared, and what they mean",
    "settings": "the settings, and their reading from options",
}
"""Names of two or more modules, with the reason."""


def test_a_name_is_that_of_one_module_or_the_reason_is_listed() -> None:
    modules: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(PRODUCT.rglob("*.py")):
        if not path.stem.startswith("__"):
            modules[path.stem].append(path.relative_to(PRODUCT))
    repeated = {name: paths for name, paths in modules.items() if len(paths) > 1}

    assert repeated.keys() == SAME_NAME.keys()
    pairs = {name: paths for name, paths in repeated.items() if SAME_NAME[name] == SHELL}
    assert all([path.parts[0] for path in paths] == ["controller", "core"] for paths in pairs.values())
