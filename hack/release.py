"""Makes what a release consists of beside the image: ``python -m hack.release files|notes``.

`files` fills ``dist/``; `notes` writes what CHANGELOG.md says of the version, and refuses a tag that is not
the version's or a version that is not dated yet.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from hack import sbom
from hack.build.toolset import cached_helm, cached_tools
from hack.chart import CHART
from model_operator import __version__
from tests.cluster.kubectl import CRDS
from tests.install.overlays import DEFAULT

REPOSITORY = Path(__file__).parents[1]
CHANGELOG = REPOSITORY / "CHANGELOG.md"
DIST = REPOSITORY / "dist"
SUMS = "SHA256SUMS"

_IMAGE = re.compile(r"(?P<name>[^@]+):(?P<tag>[\w.-]+)(@(?P<digest>sha256:[0-9a-f]{64}))?")
_HEADING = re.compile(r"^## \[(?P<version>[^]]+)\](?: - (?P<date>.+))?$", re.MULTILINE)


class ReleaseError(Exception):
    """A release cannot be made; the message is one line and says what to do."""


def changelog_versions(text: str) -> dict[str, str | None]:
    """Give the versions of a changelog, the newest first, and when they were released."""
    return {match["version"]: match["date"] for match in _HEADING.finditer(text)}


def notes(text: str, tag: str, version: str = __version__) -> str:
    """Give what a changelog says of a version.

    Raises
    ------
    ReleaseError
        When the tag is another version's, or the version has no date.
    """
    if tag != f"v{version}":
        raise ReleaseError(f"expected the tag v{version}, as model_operator.__version__ says, got {tag!r}.")
    date = changelog_versions(text).get(version)
    if date is None or not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        raise ReleaseError(f"CHANGELOG.md: expected the heading [{version}] - YYYY-MM-DD, got {date!r}.")
    after = text.partition(f"## [{version}] - {date}\n")[2]
    following = _HEADING.search(after)
    return after[: following.start() if following else None].strip() + "\n"


def write_files(image: str, folder: Path = DIST) -> None:
    """Fill a folder with wheel, source, manifests, CRDs, chart, bill of materials, and their checksums.

    Parameters
    ----------
    image
        ``name:tag`` or ``name:tag@sha256:…`` that manifests and chart are to have.
    folder
        Is emptied before.

    Raises
    ------
    ReleaseError
        When the image is not written so, or the tools are not built.
    """
    parts = _IMAGE.fullmatch(image)
    if parts is None:
        raise ReleaseError(f"expected IMAGE=name:tag or name:tag@sha256:…, got {image!r}.")
    tools, helm = cached_tools(), cached_helm()
    if tools is None or helm is None:
        raise ReleaseError("the tools are not built yet: run `make tools`.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _run(sys.executable, "-m", "hatchling", "build", "-d", str(folder.resolve()))
    (folder / "sbom.cdx.json").write_text(sbom.bill())
    kubectl = str(tools["kubectl"])
    (folder / "crds.yaml").write_text(_run(kubectl, "kustomize", str(CRDS)))
    with tempfile.TemporaryDirectory() as temporary:
        own = Path(temporary)
        (own / "kustomization.yaml").write_text(yaml.safe_dump(_kustomization(parts, own)))
        (folder / "install.yaml").write_text(_run(kubectl, "kustomize", str(own)))
        chart = own / "model-operator"
        shutil.copytree(CHART, chart)
        values = chart / "values.yaml"
        values.write_text(_with_image(values.read_text(), parts["name"], image.removeprefix(parts["name"])))
        _run(str(helm), "package", str(chart), "--destination", str(folder.resolve()), home=own)
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())
    ]
    (folder / SUMS).write_text("".join(sums))


def _kustomization(parts: re.Match[str], folder: Path) -> dict[str, object]:
    version = {"digest": parts["digest"]} if parts["digest"] else {"newTag": parts["tag"]}
    return {
        "resources": [os.path.relpath(DEFAULT, folder.resolve())],
        "images": [{"name": "model-operator", "newName": parts["name"], **version}],
    }


def _with_image(values: str, name: str, version: str) -> str:
    """Put an image into the chart's values, and leave their comments."""
    for old, new in (
        ("  repository: model-operator\n", f"  repository: {name}\n"),
        ('  tag: ""\n', f'  tag: "{version.removeprefix(":")}"\n'),
    ):
        if values.count(old) != 1:
            raise ReleaseError(f"values.yaml: expected one line {old.strip()!r}.")
        values = values.replace(old, new)
    return values


def _run(*words: str, home: Path | None = None) -> str:
    environment = {**os.environ, **({"HOME": str(home)} if home else {})}
    done = subprocess.run(
        words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        raise ReleaseError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def main(arguments: list[str]) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m hack.release")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("files").add_argument("--image", default=f"model-operator:{__version__}")
    commands.add_parser("notes").add_argument("--tag", required=True)
    options = parser.parse_args(arguments)
    try:
        if options.command == "files":
            write_files(options.image)
            print(*sorted(path.name for path in DIST.iterdir()), sep="\n")
        else:
            text = notes(CHANGELOG.read_text(), options.tag)
            DIST.mkdir(exist_ok=True)
            (DIST / "release-notes.md").write_text(text)
            print(text)
    except ReleaseError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
