"""How other versions of the control plane are built, without building one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hack.build.go_toolchain import ToolsError
from hack.build.kubernetes_versions import BUILT, ensure_version, go_mod
from hack.build.toolset import NAMES, VERSION_VARIABLE, Tools, cached_tools, ensure_tools, version_directory
from tests.unit.hack.build.test_tools import put_go

if TYPE_CHECKING:
    from pathlib import Path

OF_KUBERNETES = """module k8s.io/kubernetes

go 1.22.0

require (
\tk8s.io/api v0.0.0
)

replace (
\tk8s.io/api => ./staging/src/k8s.io/api
\tk8s.io/client-go => ./staging/src/k8s.io/client-go
)
"""


def test_folders_of_the_repository_become_modules_of_the_same_release() -> None:
    assert go_mod("1.30.14", OF_KUBERNETES) == (
        "module modeloperator.dev/kubernetes\n\ngo 1.22.0\n\n"
        "require k8s.io/kubernetes v1.30.14\n\nreplace (\n"
        "\tk8s.io/api => k8s.io/api v0.30.14\n\tk8s.io/client-go => k8s.io/client-go v0.30.14\n)\n"
    )
    with pytest.raises(ToolsError, match=r"expected a go\.mod that replaces"):
        go_mod("1.30.14", "module k8s.io/kubernetes")


def test_a_version_has_its_own_control_plane_and_the_other_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("MODEL_OPERATOR_CACHE", str(tmp_path / "cache"))
    made = " ".join(f"$GOBIN/{name}" for name in NAMES if name != "etcd")
    put_go(tmp_path, "go1.26.8", install=f"touch $GOBIN/server {made}")
    present = ensure_tools()
    (tmp_path / "its.mod").write_text(OF_KUBERNETES)
    made = " ".join(f"$GOBIN/{name}" for name in BUILT)
    download = f"""echo '{{"GoMod": "{tmp_path}/its.mod"}}'"""
    go = put_go(tmp_path, "go1.26.8", install=f"touch {made}")
    go.write_text(go.read_text().replace("esac", f"mod) {download};; esac"))

    directory = ensure_version("1.30.14")

    assert {path.name for path in directory.iterdir() if not path.is_symlink()} == {*BUILT, "go.mod"}
    assert (directory / "etcd").resolve() == present["etcd"]
    monkeypatch.setenv(VERSION_VARIABLE, "1.30.14")
    assert ensure_tools() == cached_tools() == Tools(directory)


def test_a_version_that_is_not_built_is_an_error_that_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_OPERATOR_CACHE", str(tmp_path))
    monkeypatch.setenv(VERSION_VARIABLE, "1.31.14")
    assert cached_tools() is None
    with pytest.raises(ToolsError, match=r"make test-versions VERSIONS=1\.31\.14"):
        ensure_tools()
    with pytest.raises(ToolsError, match="expected a version of Kubernetes"):
        version_directory("v1.31")
