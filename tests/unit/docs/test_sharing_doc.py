"""The grant and the pin that docs/sharing.md shows mean what the page says."""

from __future__ import annotations

import yaml

from model_operator.api import ModelInstanceSpec
from model_operator.core.templates.sharing import Sharing, grant_of
from tests.cluster.processes import REPOSITORY
from tests.docs.blocks import blocks

DOCUMENT = REPOSITORY / "docs" / "sharing.md"
GRANT, PINNED = (
    yaml.safe_load(block.text)
    for block in blocks(DOCUMENT.read_text(encoding="utf-8"))
    if block.detail == "tests/unit/docs/test_sharing_doc.py"
)


def test_one_of_names_and_labels_is_enough() -> None:
    grant = grant_of({"metadata": {"namespace": "platform"}, "spec": GRANT})
    labels = {"models": "shared"}
    for namespace in ("platform", "team-a", "staging-eu"):
        assert grant.covers(namespace, {}) is Sharing.SHARED
    assert grant.covers("team-b", labels) is Sharing.SHARED
    assert grant.covers("team-b", {}) is Sharing.NOT_SHARED
    assert grant.covers("team-b", None) is Sharing.UNKNOWN


def test_the_pin_is_one_of_another_namespace() -> None:
    spec = ModelInstanceSpec.model_validate(PINNED["spec"])
    assert (spec.model_template_namespace, spec.model_template_revision) == ("platform", "3f9a1c0b7d42")
