"""A release's files install the image that they are made for, by its digest."""

from __future__ import annotations

import hashlib
import zipfile
from typing import TYPE_CHECKING

import pytest
import yaml

from hack.build.toolset import cached_tools
from hack.chart import CHART
from hack.release import SUMS, write_files
from model_operator import __version__
from tests.install.overlays import objects, pod_spec
from tests.integration.install.test_chart import helm, rendered, run

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["helm"]

NAME = "registry.test/team/model-operator"
DIGEST = f"sha256:{'4' * 64}"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a release."""
    if cached_tools() is None:
        raise LookupError("the control plane's tools are not built yet: run `make tools`.")
    folder = tmp_path_factory.mktemp("release") / "dist"
    write_files(f"{NAME}:{__version__}@{DIGEST}", folder)
    return folder


def test_files_are_those_that_a_user_needs(files: Path) -> None:
    assert {path.name for path in files.iterdir()} == {
        SUMS,
        "crds.yaml",
        "install.yaml",
        f"model-operator-{__version__}.tgz",
        f"model_operator-{__version__}-py3-none-any.whl",
        f"model_operator-{__version__}.tar.gz",
        "sbom.cdx.json",
    }


def test_manifests_and_chart_install_the_image_by_its_digest(files: Path, helm: Path, tmp_path: Path) -> None:
    manifests = objects((files / "install.yaml").read_text())
    (container,) = pod_spec(manifests)["containers"]
    assert container["image"] == f"{NAME}@{DIGEST}"
    chart = files / f"model-operator-{__version__}.tgz"
    text = run(helm, "template", "model-operator", chart, "--namespace", "model-operator").stdout
    (container,) = pod_spec(objects(text))["containers"]
    assert container["image"] == f"{NAME}:{__version__}@{DIGEST}"
    # Nothing but the image differs from the chart in the repository.
    (container,) = pod_spec(rendered(helm, {}, tmp_path))["containers"]
    assert text.replace(f"{NAME}:{__version__}@{DIGEST}", container["image"]) == (
        run(helm, "template", "model-operator", CHART, "--namespace", "model-operator").stdout
    )


def test_manifests_bring_the_crds_and_the_crds_come_alone_too(files: Path) -> None:
    crds = objects((files / "crds.yaml").read_text())
    assert {obj["kind"] for obj in crds} == {"CustomResourceDefinition"}
    assert len(crds) == 5
    everything = objects((files / "install.yaml").read_text())
    assert all(crd in everything for crd in crds)


def test_checksums_are_those_of_all_files(files: Path) -> None:
    sums = [line.split("  ") for line in (files / SUMS).read_text().splitlines()]
    assert {name: digest for digest, name in sums} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files.iterdir()
        if path.name != SUMS
    }


def test_wheel_has_its_licence_and_what_the_programs_read(files: Path) -> None:
    with zipfile.ZipFile(files / f"model_operator-{__version__}-py3-none-any.whl") as wheel:
        information = f"model_operator-{__version__}.dist-info"
        assert f"{information}/licenses/LICENSE" in wheel.namelist()
        assert "model_operator/cli/kubernetes-schemas.json.gz" in wheel.namelist()
        for page in ("openapi.yaml", "rest/docs_page/docs.html", "rest/docs_page/docs.js"):
            assert f"model_operator/gateway/{page}" in wheel.namelist()
        metadata = wheel.read(f"{information}/METADATA").decode()
    assert f"\nVersion: {__version__}\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata


def test_manifests_are_one_stream_of_yaml(files: Path) -> None:
    kinds = [obj["kind"] for obj in yaml.safe_load_all((files / "install.yaml").read_text())]
    assert kinds.count("Deployment") == 1
