"""Brings the messages in ``health_test.yaml`` to those of newly recorded objects.

The statuses are not touched: what a state means is decided by people.
"""

from __future__ import annotations

import yaml

from tests.gitops.argocd import CUSTOMIZATIONS, KINDS, health_script
from tests.gitops.lua import health


def main() -> None:
    """Write the messages that the scripts tell of the recorded objects."""
    for kind in KINDS:
        path = CUSTOMIZATIONS / kind / "health_test.yaml"
        tests = yaml.safe_load(path.read_text())
        for test in tests["tests"]:
            obj = yaml.safe_load((path.parent / test["inputPath"]).read_text())
            test["healthStatus"]["message"] = health(health_script(kind), obj)["message"]
        path.write_text(yaml.safe_dump(tests, sort_keys=False, width=10000))


if __name__ == "__main__":
    main()
