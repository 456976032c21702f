"""Builds other versions of Kubernetes' control plane, for tests.

``python -m hack.build.kubernetes_versions 1.30.14`` builds one, from the Go module ``k8s.io/kubernetes`` of
that version, with the same Go as all other tools. etcd and KWOK are those of the present version. The go.mod
is derived from the version: Kubernetes' own one refers to folders of its repository that the module does not
contain, and these are modules of the same release. Go checks what it downloads against its checksum
database, as no go.sum is kept here.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from hack.build.cache import cache_directory, exclusive
from hack.build.go_toolchain import ToolsError, find_go, go_environment, required_version
from hack.build.toolset import (
    MODULE,
    NAMES,
    PACKAGES,
    ensure_tools,
    run_with_progress,
    version_directory,
)

BUILT = tuple(name for name, package in PACKAGES.items() if package.startswith("k8s.io/kubernetes/"))
"""The binaries of the other version; the rest is linked."""
_STAGING = re.compile(r"^\s*(k8s\.io/\S+) => \./staging/", re.MULTILINE)
_GO = re.compile(r"^go \S+$", re.MULTILINE)


def go_mod(version: str, of_kubernetes: str) -> str:
    """Return the go.mod that builds a version.

    Parameters
    ----------
    version
        Of Kubernetes, such as ``1.30.14``.
    of_kubernetes
        The text of that version's own go.mod.

    Raises
    ------
    ToolsError
        When that text does not refer to folders of its repository.
    """
    modules = sorted(set(_STAGING.findall(of_kubernetes)))
    line = _GO.search(of_kubernetes)
    if not modules or line is None:
        raise ToolsError(f"k8s.io/kubernetes v{version}: expected a go.mod that replaces k8s.io modules.")
    _, _, rest = version.partition(".")
    replaced = "".join(f"\t{module} => {module} v0.{rest}\n" for module in modules)
    return (
        f"module modeloperator.dev/kubernetes\n\n{line.group()}\n\n"
        f"require k8s.io/kubernetes v{version}\n\nreplace (\n{replaced})\n"
    )


def ensure_version(version: str) -> Path:
    """Return the folder with the binaries of a version, building them first if the cache has none.

    Raises
    ------
    ToolsError
        When the version does not exist, or its build fails.
    """
    directory = version_directory(version)
    present = ensure_tools().directory
    with exclusive(cache_directory() / "lock", waiting="Another process is building tools; waiting for it."):
        if not all((directory / name).exists() for name in NAMES):
            print(f"Building Kubernetes {version}: 5 to 15 minutes of processor time, once.", flush=True)
            _build(version, directory, present)
    return directory


def _build(version: str, directory: Path, present: Path) -> None:
    partial = directory.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    go = str(find_go(required_version((MODULE / "go.mod").read_text()), cache_directory()))
    environment = go_environment() | {"GOBIN": str(partial), "GOFLAGS": "-mod=mod"}
    downloaded = subprocess.run(
        [go, "mod", "download", "-json", f"k8s.io/kubernetes@v{version}"],
        env=environment,
        cwd=partial,
        capture_output=True,
        text=True,
        check=False,
    )
    if downloaded.returncode != 0:
        raise ToolsError(f"k8s.io/kubernetes v{version} cannot be downloaded: {downloaded.stdout.strip()}")
    of_kubernetes = Path(json.loads(downloaded.stdout)["GoMod"]).read_text()
    (partial / "go.mod").write_text(go_mod(version, of_kubernetes))
    flags = f"-s -w -X k8s.io/component-base/version.gitVersion=v{version}"
    command = [
        go,
        "install",
        "-buildvcs=false",
        "-v",
        f"-ldflags={flags}",
        *(PACKAGES[name] for name in BUILT),
    ]
    run_with_progress(command, partial, f"Kubernetes {version}", environment=environment)
    for name in set(NAMES) - set(BUILT):
        (partial / name).symlink_to(present / name)
    shutil.rmtree(directory, ignore_errors=True)
    partial.rename(directory)


def main(versions: list[str]) -> int:
    """Build each version; return the exit status."""
    try:
        for version in versions:
            ensure_version(version)
    except ToolsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
