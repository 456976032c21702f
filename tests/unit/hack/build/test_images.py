"""What an image's name in the cache stands for, and the pip settings that a build is given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hack.build.go_toolchain import ToolsError
from hack.build.images import base_of, build_image, context_files, image_key, without_digests
from hack.build.pip_settings import authorities, effective_settings, pip_conf
from tests.cluster.processes import REPOSITORY

DOCKERFILE = """\
FROM python:3.13-slim-trixie AS build
COPY requirements.lock \\
     settings.toml ./
RUN pip install -r requirements.lock
COPY --chown=1:1 package package

FROM python:3.13-slim-trixie
COPY --from=build /app /app
"""
LISTED = """\
:env:.index-url='https://variable.example.com/simple'
:env:.find-links='/opt/wheels'
global.index-url='https://file.example.com/simple'
global.trusted-host='a.example.com\\nb.example.com'
install.retries='2'
list.format='columns'
"""
TAG = "docker.io/modeloperator/example:1"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for name in ("requirements.lock", "settings.toml", "unused.txt", "package/a.py", "package/sub/b.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "package/__pycache__").mkdir()
    (tmp_path / "package/__pycache__/a.pyc").write_text("")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    return tmp_path


def test_the_context_is_what_the_dockerfile_copies(context: Path) -> None:
    files = [str(file.relative_to(context)) for file in context_files(context)]

    assert files == ["Dockerfile", "package/a.py", "package/sub/b.py", "requirements.lock", "settings.toml"]


def test_an_image_has_another_name_when_what_it_is_made_of_changes(context: Path) -> None:
    key = image_key(context, TAG)

    (context / "unused.txt").write_text("changed")
    assert image_key(context, TAG) == key
    assert image_key(context, TAG + "0") != key
    (context / "package/sub/b.py").write_text("changed")
    assert image_key(context, TAG) != key


@pytest.mark.parametrize("folder", [".", "examples/chat-server", "examples/embedding-server"])
def test_our_own_dockerfiles_build_on_what_there_is_a_stand_in_for(folder: str) -> None:
    assert base_of(REPOSITORY / folder) == "python:3.13-slim-trixie"


def test_another_base_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM alpine:3\n")

    with pytest.raises(
        ToolsError, match=r"Dockerfile: expected FROM python:3\.13-slim-trixie, got alpine:3\.$"
    ):
        base_of(tmp_path)


def test_without_root_the_error_says_so(
    context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_OPERATOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(ToolsError, match=r"^building images needs Linux and root"):
        build_image(context, TAG)


def test_pip_settings_are_those_that_install_would_use() -> None:
    assert pip_conf(effective_settings(LISTED)) == (
        "[global]\n"
        "cert = /etc/ssl/certs/ca-certificates.crt\n"
        "index-url = https://variable.example.com/simple\n"
        "retries = 2\n"
        "trusted-host = a.example.com\n"
        "    b.example.com\n"
    )


def test_the_hosts_authorities_are_what_pip_or_the_environment_names(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    ours.touch()
    theirs.touch()

    assert authorities({"cert": str(ours)}, {"SSL_CERT_FILE": str(theirs)}) == ours
    assert authorities({}, {"SSL_CERT_FILE": str(theirs)}) == theirs
    assert authorities({}, {"SSL_CERT_FILE": "/nowhere", "REQUESTS_CA_BUNDLE": str(ours)}) == ours


def test_a_stand_in_is_found_by_the_tag_alone() -> None:
    digest = f"sha256:{'0a' * 32}"
    pinned = (
        f"FROM python:3.13-slim@{digest} AS build\nRUN true\nFROM python:3.13-slim@{digest}\nCOPY a@b /\n"
    )

    assert (
        without_digests(pinned)
        == "FROM python:3.13-slim AS build\nRUN true\nFROM python:3.13-slim\nCOPY a@b /\n"
    )
