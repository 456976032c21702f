"""The workflows and forms of .github: what can be told of them without running them there."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[3]
GITHUB = REPOSITORY / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yaml"))
NAMES = [path.name for path in WORKFLOWS]
COMMIT = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
TAG = re.compile(r"[\w.-]+/[\w./-]+@v[\w.]+ # tag, .{10,}")
"""Where the commit is not known: the comment has to say so."""
USES = re.compile(r"^\s*(?:- )?uses: (.*)$", re.MULTILINE)
IMAGE = re.compile(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}")
"""Name, tag (for people and Dependabot) and digest (for the engine)."""
RUNS_AN_IMAGE = {"docker/setup-qemu-action": "image", "docker/setup-buildx-action": "driver-opts"}
"""Actions that run an image of their choice, as root on the runner, and the input that names it."""
KNOWN_ACTIONS = {
    "actions/attest-build-provenance",
    "actions/checkout",
    "actions/download-artifact",
    "actions/setup-python",
    "actions/upload-artifact",
    "docker/build-push-action",
    "docker/login-action",
    "sigstore/cosign-installer",
    *RUNS_AN_IMAGE,
}
"""For each of them somebody has looked whether it runs an image; build-push-action does so for ``sbom``."""
STAND_INS = "tests/cluster/catalogue/images/*"
FOLDERS = [
    ".",
    "examples/chat-server",
    "examples/embedding-server",
    *sorted(str(folder.relative_to(REPOSITORY)) for folder in REPOSITORY.glob(STAND_INS)),
]
"""The folders that have a Dockerfile."""
TARGET = re.compile(r"^([a-z][a-z0-9-]*):", re.MULTILINE)
MAKE = re.compile(r"\bmake ((?:[a-z][a-z0-9-]* ?)+)")
# What the matrix of a workflow says, the workflow says itself.
EXPRESSION = re.compile(r"\$\{\{(?! matrix\.\w+ \}\}).*?\}\}")


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())["jobs"]
    return content


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in jobs(path).values():
        yield from job["steps"]


def targets(text: str) -> set[str]:
    """Give the targets of make that a shell text names."""
    return {word for match in MAKE.finditer(text) for word in match[1].split()}


def test_there_are_workflows() -> None:
    assert {"ci.yaml", "release.yaml"} <= set(NAMES)


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_actions_are_pinned(path: Path) -> None:
    used = [text for text in USES.findall(path.read_text()) if not text.startswith("./")]
    assert used
    assert [text for text in used if not COMMIT.fullmatch(text) and not TAG.fullmatch(text)] == []


def images(content: Any) -> Iterator[str]:
    """Give the images that a workflow names: of containers and services, of steps, and of its matrices."""
    if isinstance(content, list):
        for each in content:
            yield from images(each)
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if isinstance(value, str) and (
            key in {"image", "container", "node"} or value.startswith("docker://")
        ):
            yield value.removeprefix("docker://")
        elif key == "driver-opts":
            yield from re.findall(r"^image=(.*)$", value, re.MULTILINE)
        else:
            yield from images(value)


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_images_are_pinned(path: Path) -> None:
    content = yaml.safe_load(path.read_text())["jobs"]
    assert [image for image in images(content) if not IMAGE.fullmatch(image)] == []
    for step in steps(path):
        action = "/".join(step.get("uses", "").partition("@")[0].split("/")[:2])
        assert action in {"", *KNOWN_ACTIONS}, (
            f"{action}: does it run an image? Then it belongs to RUNS_AN_IMAGE"
        )
        if action in RUNS_AN_IMAGE:
            assert RUNS_AN_IMAGE[action] in step["with"], f"{action} would run an image by its tag"
            assert len(list(images(step["with"]))) == 1
        if action == "docker/build-push-action":
            assert step["with"]["sbom"] is False, "BuildKit's scanner is an image that a tag names"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"container": "python:3"}, ["python:3"]),
        ({"container": {"image": "python:3"}, "services": {"db": {"image": "db:1"}}}, ["python:3", "db:1"]),
        ({"steps": [{"uses": "docker://alpine:3"}]}, ["alpine:3"]),
        (
            {"steps": [{"with": {"driver-opts": "network=host\nimage=moby/buildkit:v1"}}]},
            ["moby/buildkit:v1"],
        ),
        ({"strategy": {"matrix": {"include": [{"node": "kindest/node:v1"}]}}}, ["kindest/node:v1"]),
    ],
)
def test_such_an_image_would_be_found(content: dict[str, Any], found: list[str]) -> None:
    assert list(images(content)) == found
    assert not [image for image in found if IMAGE.fullmatch(image)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_base_images_are_pinned(folder: str) -> None:
    text = (REPOSITORY / folder / "Dockerfile").read_text()
    stages = [line.split() for line in text.splitlines() if line.startswith(("FROM ", "# syntax="))]
    assert stages
    assert [words[1] for words in stages if not IMAGE.fullmatch(words[1])] == []
    bases = {words[1] for words in stages}
    assert len(bases) == 1
    for label in re.findall(r'image\.base\.digest="(.*)"', text):
        assert bases.pop().endswith(f"@{label}")


def test_dependabot_keeps_what_is_pinned() -> None:
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text())["updates"]
    folders = {
        each["package-ecosystem"]: each.get("directories", [each.get("directory")]) for each in updates
    }
    assert "/" in folders["github-actions"]
    wanted = {f"/{folder}".replace("/.", "/") for folder in FOLDERS}
    named = set(folders["docker"])
    assert {folder for folder in wanted if not any(fnmatch(folder, each) for each in named)} == set()
    assert {each for each in named if not any(fnmatch(folder, each) for folder in wanted)} == set()
    modules = {f"/{path.parent.relative_to(REPOSITORY)}" for path in REPOSITORY.glob("hack/**/go.mod")}
    assert set(folders["gomod"]) == modules


def test_tools_come_from_locks_or_by_version() -> None:
    """pip checks hashes, and Go its checksum database; what a bare name would bring, nobody has seen."""
    makefile = (REPOSITORY / "Makefile").read_text()
    scripts = [step.get("run", "") for path in WORKFLOWS for step in steps(path)]
    scripts += [makefile, (REPOSITORY / ".ci" / "hook").read_text()]
    lines = [line for script in scripts for line in script.replace("\\\n", " ").splitlines()]
    by_pip = [line for line in lines if re.search(r"pip3? install", line)]
    assert [
        line for line in by_pip if not line.startswith("PIP_INSTALL") and "--require-hashes" not in line
    ] == []
    by_make = [line for line in lines if "$(PIP_INSTALL)" in line and " -e ." not in line]
    assert by_make
    assert [line for line in by_make if "--require-hashes" not in line] == []
    by_go = [line for line in lines if "go install" in line]
    assert [line for line in by_go if not re.search(r"@v\d+\.\d+\.\d+$", line)] == []
    assert not [line for line in lines if re.search(r"curl|wget|pipx|npm |npx ", line)]


@pytest.mark.parametrize("name", ["SECURITY.md"])
def test_verification_names_the_workflow_that_signs(name: str) -> None:
    """The repository alone would also vouch for what another workflow, or another branch, has signed."""
    text = (REPOSITORY / name).read_text().replace("\\\n", " ")
    commands = [
        line for line in text.splitlines() if re.match(r"(cosign verify|gh attestation verify)", line)
    ]
    assert len(commands) == 4
    workflow = "OWNER/REPOSITORY/.github/workflows/release.yaml"
    for command in commands:
        assert workflow in command
        assert "refs/tags/vVERSION" in command
        assert command.startswith("cosign") or f"--signer-workflow {workflow}" in command


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_permissions_are_stated_and_nobody_may_write_by_default(path: Path) -> None:
    stated = yaml.safe_load(path.read_text())["permissions"]
    assert stated in ({}, {"contents": "read"})
    for name, job in jobs(path).items():
        assert stated or "permissions" in job, f"{name} has no permissions"
        assert isinstance(job.get("permissions", {}), dict), f"{name}: neither read-all nor write-all"


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_credentials_of_a_checkout_do_not_stay(path: Path) -> None:
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]
    assert [step for step in checkouts if step.get("with", {}).get("persist-credentials") is not False] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_every_job_ends_in_time(path: Path) -> None:
    assert [name for name, job in jobs(path).items() if "timeout-minutes" not in job] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_what_make_is_asked_for_is_there(path: Path) -> None:
    known = set(TARGET.findall((REPOSITORY / "Makefile").read_text()))
    assert {target for step in steps(path) for target in targets(step.get("run", ""))} <= known


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_no_expression_is_put_into_a_shell(path: Path) -> None:
    """A name of a branch or a title of somebody's would be run; variables are not."""
    scripts = [step["run"] for step in steps(path) if "run" in step]
    assert [script for script in scripts if EXPRESSION.search(script)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_scripts_are_valid_shell(path: Path) -> None:
    for step in steps(path):
        script = step.get("run", "true")
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, script + done.stderr


def test_what_passes_there_is_what_passes_here() -> None:
    ci = [step.get("run", "") for step in steps(GITHUB / "workflows" / "ci.yaml")]
    assert "bash .ci/run" in ci
    assert "make audit AUDIT=--required" in ci
    commands = (REPOSITORY / ".ci" / "run").read_text()
    assert targets(commands) <= set(TARGET.findall((REPOSITORY / "Makefile").read_text()))


def test_only_the_release_s_last_job_writes_the_repository_and_runs_nothing_of_it() -> None:
    release = jobs(GITHUB / "workflows" / "release.yaml")
    writers = [name for name, job in release.items() if job["permissions"].get("contents") == "write"]
    assert writers == ["release"]
    uses = [step.get("uses", "") for step in release["release"]["steps"]]
    assert not [text for text in uses if text.startswith("actions/checkout@")]
    installers = [
        name for name, job in release.items() if any(targets(step.get("run", "")) for step in job["steps"])
    ]
    assert installers == ["check", "files"]
    for name in installers:
        assert release[name]["permissions"] == {"contents": "read"}


def test_image_has_its_tag_only_when_it_is_signed() -> None:
    image = jobs(GITHUB / "workflows" / "release.yaml")["image"]["steps"]
    (build,) = [step for step in image if step.get("id") == "build"]
    places = [
        next(i for i, step in enumerate(image) if word in step.get("run", step.get("uses", "")))
        for word in ("build-push-action", "cosign sign", "attest-build-provenance", "imagetools create")
    ]
    assert places == sorted(places)
    assert "tags" not in build["with"]
    assert "push-by-digest=true" in build["with"]["outputs"]
    assert build["with"]["platforms"] == "linux/amd64,linux/arm64"


def test_issue_forms_are_forms() -> None:
    forms = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yaml"))
    assert forms
    for path in forms:
        form = yaml.safe_load(path.read_text())
        assert form["name"]
        assert form["description"]
        for field in form["body"]:
            assert field["type"] in {"markdown", "textarea", "input", "dropdown", "checkboxes"}
            assert field["type"] == "markdown" or field["attributes"]["label"]
        named = [field["id"] for field in form["body"] if field["type"] != "markdown"]
        assert len(named) == len(set(named)) >= 1
