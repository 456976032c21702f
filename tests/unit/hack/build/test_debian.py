"""Debian packages are unpacked side by side, once, and from fresh lists where the host's do not do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hack.build.debian import debian_environment, debian_root, root_key
from hack.build.go_toolchain import ToolsError

# Stands for apt-get: `download` copies packages from a folder, but only once `update` has run.
APT_GET = """\
#!/bin/sh
echo "$@" >> {folder}/calls
case "$*" in
    *update) touch {folder}/updated ;;
    *) [ -e {folder}/updated ] || {{ echo "E: Unable to locate package" >&2; exit 100; }}
       cp {folder}/*.deb . ;;
esac
"""

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="not Debian: no dpkg-deb")


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with two packages, which a stand-in for apt-get on PATH downloads from."""
    folder = tmp_path / "archive"
    (folder / "bin").mkdir(parents=True)
    apt_get = folder / "bin" / "apt-get"
    apt_get.write_text(APT_GET.format(folder=folder))
    apt_get.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"), prepend=":")
    make_package(folder, "old", "lib/x86_64-linux-gnu/libold.so")
    make_package(folder, "new", "usr/lib/x86_64-linux-gnu/libnew.so")
    return folder


def make_package(folder: Path, name: str, file: str) -> None:
    content = folder / name
    (content / "DEBIAN").mkdir(parents=True)
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: us\nDescription: it\n"
    (content / "DEBIAN" / "control").write_text(control)
    (content / file).parent.mkdir(parents=True)
    (content / file).write_text(name)
    subprocess.run(["dpkg-deb", "--build", content, folder / f"{name}.deb"], check=True, capture_output=True)


def test_packages_with_and_without_merged_usr_share_one_tree(archive: Path, tmp_path: Path) -> None:
    (archive / "updated").touch()

    root = debian_root(["old", "new"], tmp_path / "cache")

    assert (root / "lib").is_symlink()
    libraries = root / "usr" / "lib" / "x86_64-linux-gnu"
    assert sorted(file.name for file in libraries.iterdir()) == ["libnew.so", "libold.so"]
    assert debian_environment(root)["LD_LIBRARY_PATH"] == str(libraries)
    assert debian_environment(root)["PATH"].split(":")[1] == f"{root}/usr/sbin"


def test_private_libraries_of_a_package_are_found_after_the_shared_ones(tmp_path: Path) -> None:
    shared = tmp_path / "usr" / "lib" / "x86_64-linux-gnu"
    for file in (
        "libpulse.so.0",
        "pulseaudio/libpulsecommon.so",
        "perl/5.36/auto/libx.so",
        "security/pam.so",
    ):
        (shared / file).parent.mkdir(parents=True, exist_ok=True)
        (shared / file).touch()

    assert debian_environment(tmp_path)["LD_LIBRARY_PATH"].split(":") == [str(shared), f"{shared}/pulseaudio"]


def test_a_second_call_downloads_nothing(archive: Path, tmp_path: Path) -> None:
    (archive / "updated").touch()

    first = debian_root(["old", "new"], tmp_path / "cache")
    second = debian_root(["new", "old"], tmp_path / "cache")

    assert first == second
    assert len((archive / "calls").read_text().splitlines()) == 1


def test_without_usable_lists_fresh_ones_are_fetched_into_a_folder_of_ours(
    archive: Path, tmp_path: Path
) -> None:
    root = debian_root(["old", "new"], tmp_path / "cache")

    assert (root / "usr/lib/x86_64-linux-gnu/libold.so").exists()
    download, update, again = (archive / "calls").read_text().splitlines()
    assert "Dir::State::Lists=" not in download
    assert "Dir::State::Lists=" in update
    assert "Dir::State::Lists=" in again


def test_a_failure_is_one_line_and_leaves_nothing_that_a_later_call_would_use(
    archive: Path, tmp_path: Path
) -> None:
    (archive / "bin" / "apt-get").write_text("#!/bin/sh\necho 'E: no network' >&2; exit 100\n")

    with pytest.raises(ToolsError, match=r"^apt-get could not download old \(E: no network\): .*$"):
        debian_root(["old"], tmp_path / "cache")

    assert not list((tmp_path / "cache").glob(f"debian-{root_key(['old'])}"))


def test_elsewhere_the_error_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(
        ToolsError, match="expected apt-get, as Debian and Ubuntu have it, found none on PATH"
    ):
        debian_root(["old"], tmp_path / "cache")
