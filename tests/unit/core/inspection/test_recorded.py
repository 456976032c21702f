"""What people are shown of every state and failure that a real cluster has recorded.

``UPDATE_GOLDEN=1 pytest tests/unit/core/inspection`` writes ``golden/`` anew; read the difference then.
"""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from model_operator.cli.plugin.status import status_parts
from model_operator.cli.plugin.why import why_parts
from model_operator.cli.terminal import plain
from model_operator.core.diagnosis.deployment_pods import group_pods
from model_operator.core.inspection.explanation import explain
from model_operator.core.inspection.facts import Facts
from model_operator.core.status.instance import instance_status
from tests.failures.catalog import FAILURES, INSTANCE
from tests.failures.record import load
from tests.gitops.argocd import CUSTOMIZATIONS
from tests.unit.core.diagnosis.test_recorded_failures import claims_of, find, observe, replica_sets

if TYPE_CHECKING:
    from tests.failures.catalog import Snapshot

GOLDEN = Path(__file__).with_name("golden")
STATES = CUSTOMIZATIONS / "ModelInstance" / "testdata"
LATER = datetime.timedelta(minutes=5)


def compare(path: Path, facts: Facts) -> None:
    now = datetime.datetime.fromisoformat(facts.instance["metadata"]["creationTimestamp"]) + LATER
    written = f"{plain(status_parts(facts, now))}\n{plain(why_parts(explain(facts, now)))}"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written, encoding="utf-8")
    assert written == path.read_text(encoding="utf-8")


def failing(name: str) -> Facts:
    """Give what the cluster had of a recorded failure when the operator had told of it."""
    seen = load(name)
    observed = observe(name, seen)
    cause = find(seen) if observed.undiagnosed else None
    causes = {INSTANCE: cause} if cause else {}
    created = seen.deployment["metadata"]["creationTimestamp"]
    status = instance_status(observed.with_causes(causes), created)
    uid = seen.deployment["metadata"]["ownerReferences"][0]["uid"]
    metadata = {
        "name": INSTANCE,
        "namespace": name,
        "uid": uid,
        "generation": 1,
        "creationTimestamp": created,
    }
    instance = {**FAILURES[name].instance(), "metadata": metadata, "status": status}
    return Facts(
        instance, [seen.deployment], replica_sets(seen), seen.pods, events_of(seen), *claims_of(seen)
    )


def events_of(seen: Snapshot) -> dict[str, list[dict[str, Any]]]:
    """Give the events that the plugin reads: those of pods that are unclear."""
    unclear = group_pods(seen.deployment, replica_sets(seen), seen.pods).unclear
    return {uid: [each for each in seen.events if each["involvedObject"]["uid"] == uid] for uid in unclear}


@pytest.mark.parametrize("name", FAILURES)
def test_failures(name: str) -> None:
    compare(GOLDEN / "failures" / f"{name}.txt", failing(name))


@pytest.mark.parametrize("name", sorted(path.stem for path in STATES.glob("*.yaml")))
def test_states(name: str) -> None:
    instance = yaml.safe_load((STATES / f"{name}.yaml").read_text())

    compare(GOLDEN / "states" / f"{name}.txt", Facts(instance))


@pytest.mark.parametrize("name", FAILURES)
def test_pods_tell_the_same_as_the_status(name: str) -> None:
    facts = failing(name)
    (ready,) = (each for each in facts.status["conditions"] if each["type"] == "Ready")

    lines = plain(status_parts(facts, datetime.datetime.now(datetime.UTC))).splitlines()

    assert ready["reason"] in lines[1]
    states = {line.split()[2] for line in lines if "Pod/" in line}
    refused_or_loading = ready["reason"] in {"PodsRejected", "ProgressDeadlineExceeded"}
    assert refused_or_loading or states & {ready["reason"], "Evicted"}


def test_every_file_is_of_a_case() -> None:
    shown = {path.relative_to(GOLDEN).with_suffix("").as_posix() for path in GOLDEN.rglob("*.txt")}

    assert shown == {f"failures/{name}" for name in FAILURES} | {
        f"states/{path.stem}" for path in STATES.glob("*.yaml")
    }
