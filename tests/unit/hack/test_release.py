"""What a release says of itself, and that a wrong tag or an undated version is none."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml

from hack.release import (
    CHANGELOG,
    REPOSITORY,
    ReleaseError,
    changelog_versions,
    notes,
    write_files,
)
from model_operator import __version__

TEXT = """# Changelog

## [1.1.0] - 2026-12-24

### Added

* Two.

## [1.0.0] - 2026-12-01

* One.
"""


def test_changelog_begins_with_the_version_of_the_package_the_chart_and_the_image() -> None:
    newest = next(iter(changelog_versions(CHANGELOG.read_text())))
    deployments = [
        yaml.safe_load((REPOSITORY / "manifests" / folder / "deployment.yaml").read_text())
        for folder in ("base", "gateway")
    ]
    images = {each["spec"]["template"]["spec"]["containers"][0]["image"] for each in deployments}
    chart = yaml.safe_load((REPOSITORY / "charts" / "model-operator" / "Chart.yaml").read_text())
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    # The project's version is the package's own.
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "operator/model_operator/__init__.py"
    assert newest == __version__
    assert chart["appVersion"] == __version__
    assert images == {f"model-operator:{__version__}"}


def test_changelog_s_versions_are_dated_but_for_the_newest() -> None:
    dates = list(changelog_versions(CHANGELOG.read_text()).values())
    assert all(date is not None for date in dates)
    assert "Unreleased" not in dates[1:]


def test_licence_is_named_and_there() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])
    text = (REPOSITORY / "LICENSE").read_text()
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert text.rstrip().endswith("limitations under the License.")


def test_notes_are_the_changelog_s_part() -> None:
    assert notes(TEXT, "v1.1.0", "1.1.0") == "### Added\n\n* Two.\n"
    assert notes(TEXT, "v1.0.0", "1.0.0") == "* One.\n"


@pytest.mark.parametrize(
    ("tag", "version", "message"),
    [
        ("v1.1.0", "1.2.0", "expected the tag v1.2.0"),
        ("1.1.0", "1.1.0", "expected the tag v1.1.0"),
        ("", "1.1.0", "expected the tag v1.1.0"),
        ("v2.0.0", "2.0.0", "expected the heading"),
        ("v3.0.0", "3.0.0", "got 'Unreleased'"),
    ],
)
def test_what_is_no_release(tag: str, version: str, message: str) -> None:
    text = TEXT.replace("# Changelog\n", "# Changelog\n\n## [3.0.0] - Unreleased\n", 1)
    with pytest.raises(ReleaseError, match=message):
        notes(text, tag, version)


@pytest.mark.parametrize("image", ["", "name", "name:tag@sha256:12", "name@sha256:" + "a" * 64])
def test_an_image_needs_a_tag_and_a_whole_digest(image: str, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="expected IMAGE="):
        write_files(image, tmp_path / "dist")
    assert not (tmp_path / "dist").exists()
