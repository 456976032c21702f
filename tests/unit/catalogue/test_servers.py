"""What the document says was run is what the tests run; the images for it are built under the right names."""

from __future__ import annotations

import ast
import re

import pytest

from hack.build.base_images import BASES
from hack.build.images import base_of, context_files
from tests.cluster.catalogue.servers import ALL_VARIABLE, SERVERS, Server, chosen, hub_cache
from tests.cluster.processes import REPOSITORY
from tests.unit.catalogue.test_templates import rows

TESTS = "tests/e2e/test_catalogue.py"
NOT_RUN = "not run"
BY_NAME = pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)


def marked() -> dict[str, list[str]]:
    """Give the names of the tests of each server, from their markers."""
    found: dict[str, list[str]] = {}
    for node in ast.parse((REPOSITORY / TESTS).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.server":
                    (name,) = (ast.literal_eval(argument) for argument in mark.args)
                    found.setdefault(name, []).append(node.name)
    return found


def test_each_server_has_a_test_and_each_test_a_server() -> None:
    assert marked().keys() == SERVERS.keys()


def test_the_table_says_run_of_the_servers_that_are() -> None:
    said = {name: cells[-1] for name, cells in rows().items() if cells[-1] != NOT_RUN}

    assert said.keys() == SERVERS.keys()
    for name, cell in said.items():
        target = "make catalogue-real" if SERVERS[name].heavy else "make e2e"
        assert f"`{target}`" in cell, name
        assert f"`{TESTS}`" in cell, name


@BY_NAME
def test_the_image_can_be_built_and_is_the_template_s(server: Server) -> None:
    bundle = server.template["spec"]["vendor_configuration"]["bundle_config"]

    assert base_of(server.context) in BASES
    assert {path.name for path in context_files(server.context)} >= {"Dockerfile", "requirements.lock"}
    assert server.image.startswith(f"{bundle['registry']}/{bundle['image']}:")
    assert re.search(r":[^/:]*\d[^/:]*$", server.image)


def test_no_folder_is_left_without_a_server() -> None:
    (images,) = {server.context.parent for server in SERVERS.values()}

    assert {path.name for path in images.iterdir() if path.is_dir()} == {
        server.context.name for server in SERVERS.values()
    }


def test_heavy_servers_run_only_by_a_target_of_their_own() -> None:
    light = {name for name, server in SERVERS.items() if not server.heavy}

    assert chosen({}) == light
    assert chosen({ALL_VARIABLE: "all"}) == SERVERS.keys()
    assert f"{ALL_VARIABLE}=all" in (REPOSITORY / "Makefile").read_text(encoding="utf-8")


@BY_NAME
def test_a_claim_is_that_of_the_template(server: Server) -> None:
    (volume, *_) = server.template["spec"]["pod_template"]["spec"]["volumes"]

    if server.downloads:
        assert (volume["name"], server.claim["metadata"]["name"]) == ("cache", "model-cache")
    else:
        named = server.instance["spec"]["model_creation_parameters"]["claim"]
        assert server.claim["metadata"]["name"] == named
        assert "persistentVolumeClaim" in volume


def test_the_hub_s_cache_may_be_in_a_folder() -> None:
    assert hub_cache("org/model")[-1] == "/claim/"
    assert hub_cache("org/model", "hub")[-1] == "/claim/hub"
