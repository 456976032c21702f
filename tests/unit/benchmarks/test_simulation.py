"""The server of the simulation answers as the operator expects, and its tables show what was measured."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import objects
from benchmarks.simulation import report
from benchmarks.simulation.copies import Copies, hashes_of, write_hashes
from benchmarks.simulation.memory_server import MemoryServer, merged
from model_operator.core.templates.parsing import parse_template
from model_operator.kube.client import ApiClient
from model_operator.kube.resources import DEPLOYMENTS, MODEL_INSTANCES, MODEL_TEMPLATES, SERVICES

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 1203


def sample() -> dict[str, Any]:
    """Return the objects of an instance as the operator has applied them."""
    (name,) = objects.names("model", 1)
    instance = objects.instance(name)
    instance["metadata"] |= {"uid": objects.uid(name), "generation": 1}
    template = objects.template()
    template["metadata"] |= {"uid": "template-uid", "generation": 1, "resourceVersion": "7"}
    children = {obj["kind"]: obj for obj in objects.children([name], objects.NAMESPACE)}
    for kind, obj in children.items():
        obj["metadata"]["uid"] = f"{kind}-of-the-sample"
    return {
        "ModelTemplate": template,
        "ModelTemplateRevision": template,
        "ModelInstance": instance,
        **children,
    }


@pytest.fixture
def server() -> MemoryServer:
    given = sample()
    return MemoryServer(given, None, COUNT)


def test_lists_are_read_in_pages_of_distinct_objects(server: MemoryServer) -> None:
    async def read() -> list[list[Any]]:
        return [
            [obj async for obj in ApiClient(server).list(kind)] for kind in (MODEL_INSTANCES, DEPLOYMENTS)
        ]

    instances, deployments = asyncio.run(read())

    assert len({obj["metadata"]["name"] for obj in instances}) == COUNT
    assert len({obj["metadata"]["uid"] for obj in instances}) == COUNT
    owners = {obj["metadata"]["ownerReferences"][0]["uid"] for obj in deployments}
    assert owners == {obj["metadata"]["uid"] for obj in instances}
    assert server.writes == {}


def test_a_list_of_metadata_has_nothing_else(server: MemoryServer) -> None:
    async def read() -> list[Any]:
        return [obj async for obj in ApiClient(server).list(SERVICES, metadata_only=True)]

    found = asyncio.run(read())

    assert len(found) == COUNT
    assert {key for obj in found for key in obj} == {"metadata", "apiVersion", "kind"}


def test_writes_are_counted_and_dry_runs_are_not(server: MemoryServer) -> None:
    template = server.template["metadata"]

    async def write() -> Any:
        api, name = ApiClient(server), template["name"]
        await api.create(MODEL_TEMPLATES, server.template, dry_run=True)
        return await api.patch_status(MODEL_TEMPLATES, objects.NAMESPACE, name, {"instances": 1}, "7")

    answer = asyncio.run(write())

    assert server.writes == {"patch modeltemplates/status": 1}
    assert answer["status"] == {"instances": 1}
    assert answer["metadata"]["resourceVersion"] != template["resourceVersion"]


def test_a_merge_patch_is_laid_over() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": None, "e": 4}, "d": {}}) == {
        "a": {"c": 2, "e": 4},
        "d": {},
    }


def test_hashes_of_copies_are_those_of_their_rendering(tmp_path: Path) -> None:
    given = sample()
    template, from_sample = parse_template(given["ModelTemplate"]), Copies(given)
    # The status of an instance records the revision of its pods.
    revision = hashes_of(given["ModelInstance"], template)[2]
    given["ModelInstance"]["status"] = {"deployments": [{"pod_revision": revision}]}
    write_hashes(given, 3, tmp_path / "hashes")
    copies = Copies(given, tmp_path / "hashes")

    for number in range(3):
        instance = json.loads(copies.item("ModelInstance", number))
        _, service, pods = hashes_of(instance, template)
        assert instance["status"]["deployments"][0]["pod_revision"] == pods
        assert service in copies.item("Service", number).decode()
        assert service not in from_sample.item("Service", number).decode()


def test_a_sample_of_another_rendering_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="1 hashes of the sample"):
        write_hashes(sample(), 1, tmp_path / "hashes")


def test_the_tables_show_what_was_simulated() -> None:
    figures: dict[str, Any] = dict.fromkeys(
        (
            *("start_mb", "fill_cpu_seconds", "filled_mb", "listed_mb", "first_look_cpu_seconds"),
            *("later_look_cpu_seconds", "resync_cpu_seconds", "resync_mb", "first_decision_cpu_seconds"),
            *("later_decision_cpu_seconds", "peak_mb"),
        ),
        1.0,
    )
    figures |= {"instances": 1000, "writes": {"patch deployments": 2, "patch modeltemplates/status": 1}}
    of = dict.fromkeys(("json", "metadata", "stored"), 1000)
    results = {
        "sizes": {"1000": figures, "50000": figures},
        "bytes": dict.fromkeys(("ModelInstance", "Deployment", "Service"), of),
    }

    rows = {row[0]: row[1:] for row in report.simulated(results).rows}

    assert rows["… writes to instances and children in both"] == ["2", "2"]
    assert next(row for head, row in rows.items() if "etcd" in head) == ["3 / 0%", "150 / 7%"]
    assert all(len(row) == 2 for row in rows.values())
