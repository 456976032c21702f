"""``kubectl model wait`` and ``status --watch`` see what changes, and end when there is nothing to see."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest
import yaml

from tests.cluster.kubeconfig import write_kubeconfig
from tests.cluster.waiting import patience, wait_for
from tests.examples.objects import (
    deploy,
    deploy_held,
    edit_bundle,
    held,
    instance,
    start_pods,
    template,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.kube_api import KubeApi
    from tests.integration.plugin.conftest import Invite, Person

    Start = Callable[..., subprocess.Popen[str]]

WITHIN = 30.0


class Reader:
    """Reads what a process writes, while it runs."""

    def __init__(self, process: subprocess.Popen[str], stream: IO[str] | None = None) -> None:
        self.text = ""
        self._stream = stream or process.stdout
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._stream is not None
        for line in self._stream:
            self.text += line

    def wait_for(self, pattern: str) -> None:
        wait_for(lambda: re.search(pattern, self.text, re.DOTALL), WITHIN, f"{pattern} in {self.text}")


@pytest.mark.usefixtures("operator")
def test_a_watch_shows_each_change_until_ctrl_c(api: KubeApi, started: Start) -> None:
    deploy_held(api)
    process = started("status", "minilm", "--watch")
    seen = Reader(process)
    seen.wait_for(r"ModelInstance/minilm +RolledOut +1/1")
    start = len(seen.text)

    edit_bundle(api, tag="v2")
    wait_for(lambda: "old revision" in seen.text[start:], WITHIN)
    start_pods(api)
    wait_for(lambda: re.search(r"minilm +RolledOut +1/1", seen.text[start:].rpartition("\n\n")[2]), WITHIN)

    process.send_signal(signal.SIGINT)
    assert process.wait(WITHIN) == 130
    assert process.stderr is not None
    assert process.stderr.read() == ""
    frames = seen.text.split("\n\n")
    assert all(frame.startswith(("NAME", "Deploying", "The operator")) for frame in frames)


@pytest.mark.usefixtures("operator")
def test_a_watch_ends_with_its_instance(api: KubeApi, started: Start) -> None:
    deploy(api)
    process = started("status", "minilm", "-w")
    Reader(process).wait_for("RolledOut")

    api.delete("ModelInstance", "minilm")

    assert process.wait(WITHIN) == 0
    assert process.stderr is not None
    assert process.stderr.read() == f"ModelInstance {api.namespace}/minilm was deleted\n"


@pytest.mark.usefixtures("operator")
def test_a_watch_draws_in_place_on_a_terminal(api: KubeApi, viewer: Person) -> None:
    deploy_held(api)
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [viewer.kubectl.binary, "model", "status", "minilm", "--watch"],
        env=viewer.environment | {"COLUMNS": "160", "LINES": "50"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown = ""

    def read(pattern: str) -> None:
        nonlocal shown
        begin = time.monotonic()
        while not re.search(pattern, shown):
            assert time.monotonic() < begin + WITHIN * patience(), shown
            if select.select([main], [], [], 0.2)[0]:
                shown += os.read(main, 65536).decode()

    try:
        read("\x1b\\[32mRolledOut\x1b\\[0m")
        edit_bundle(api, tag="v2")
        # The cursor goes up to the first line, which is drawn anew.
        read("\x1b\\[1A(?s:.)*\x1b\\[33mDeploying")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(WITHIN) == 130
    finally:
        process.kill()
        process.wait()
        os.close(main)
    assert "Traceback" not in shown


@pytest.mark.usefixtures("operator")
def test_wait_for_what_comes(api: KubeApi, started: Start) -> None:
    api.apply(held(template()))
    api.apply(instance())
    process = started("wait", "minilm", "--timeout", "1m")
    assert process.stderr is not None
    first = process.stderr.readline()

    start_pods(api)

    assert process.wait(WITHIN) == 0
    assert first.startswith(("Deploying: ", "TemplateNotFound: ", "The operator has not reconciled"))
    assert process.stdout is not None
    assert process.stdout.read().startswith(f"ModelInstance {api.namespace}/minilm is Ready: RolledOut: ")


@pytest.mark.usefixtures("operator")
def test_wait_for_what_cannot_come(api: KubeApi, viewer: Person, started: Start) -> None:
    api.apply(template())
    api.apply(instance(model_creation_parameters={"MODEL_NAME": 5}))

    done = viewer("wait", "minilm", "--timeout", "1m")

    assert (done.returncode, done.stdout) == (1, "")
    *_, last = done.stderr.splitlines()
    assert last.startswith(f"ModelInstance {api.namespace}/minilm is Stalled: InvalidParameters: spec.model_")
    assert last.endswith("Action (user): fix the listed fields.")

    waiting = started("wait", "late", "--timeout", "1m")
    assert waiting.wait(WITHIN) == 2

    api.apply(held(template("held")))
    api.apply(instance("early", model_template_id="held"))
    waiting = started("wait", "early", "--timeout", "1m")
    assert waiting.stderr is not None
    while "Deploying" not in waiting.stderr.readline():
        assert waiting.poll() is None
    api.delete("ModelInstance", "early")
    assert waiting.wait(WITHIN) == 1
    assert waiting.stderr.read() == f"ModelInstance {api.namespace}/early was deleted\n"


def test_wait_counts_only_what_is_about_the_present(private_api: KubeApi, invite: Invite) -> None:
    """Without an operator, the test tells the statuses: the same one first counts, then no longer."""
    somebody = invite("view", private_api)
    made = private_api.apply(template())
    private_api.apply(instance())
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "RolledOut",
        "message": "Told by the test.",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    bound = {"kind": "ModelTemplate", "name": "encoder", "uid": made["metadata"]["uid"], "generation": 1}
    status = {"observedGeneration": 1, "conditions": [ready], "template": bound}
    waiting = ("wait", "minilm", "--timeout", "2s")
    in_time = ("wait", "minilm", "--timeout", "1m")

    def tell(**changes: object) -> None:
        patch = {"status": {**status, **changes}}
        private_api.patch("ModelInstance", "minilm", patch, subresource="status")

    assert somebody(*waiting).returncode == 3
    tell()
    assert somebody(*in_time).returncode == 0

    edit_bundle(private_api, tag="v2")
    late = somebody(*waiting)
    assert late.returncode == 3
    assert late.stderr == (
        "The operator has not reconciled the current generation of the template yet.\n"
        f"ModelInstance {private_api.namespace}/minilm is not Ready after 2 seconds\n"
    )
    assert somebody("why", "minilm").returncode == 1
    tell(template={**bound, "generation": 2})
    assert somebody(*in_time).returncode == 0

    private_api.patch("ModelInstance", "minilm", {"spec": {"model_creation_parameters": {"BATCH_SIZE": 2}}})
    late = somebody(*waiting)
    assert (late.returncode, late.stdout) == (3, "")
    assert late.stderr.startswith("The operator has not reconciled generation 2 of the instance yet.\n")


def test_wait_for_deletion(private_api: KubeApi, invite: Invite) -> None:
    somebody = invite("view", private_api)
    obj = instance()
    obj["metadata"]["finalizers"] = ["example.com/hold"]
    private_api.apply(obj)
    waiting = ("wait", "minilm", "--for=delete")

    assert somebody(*waiting, "--timeout", "1s").returncode == 3
    private_api.delete("ModelInstance", "minilm")
    assert somebody(*waiting, "--timeout", "1s").returncode == 3
    assert somebody("wait", "minilm").returncode == 1
    process = somebody.start(*waiting)
    try:
        assert process.stderr is not None
        begun = f"waiting for ModelInstance {private_api.namespace}/minilm to be deleted\n"
        assert process.stderr.readline() == begun
        private_api.patch("ModelInstance", "minilm", {"metadata": {"finalizers": None}})
        assert process.wait(WITHIN) == 0
    finally:
        process.kill()
        output, errors = process.communicate()
    assert (output, errors) == (f"ModelInstance {private_api.namespace}/minilm was deleted\n", "")
    missing = somebody(*waiting)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "there is no ModelInstance minilm in namespace" in missing.stderr


@pytest.mark.usefixtures("operator")
def test_ctrl_c_ends_a_wait(api: KubeApi, started: Start) -> None:
    deploy_held(api)
    edit_bundle(api, tag="v2")  # which never becomes Ready, so that the wait cannot end by itself
    process = started("wait", "minilm")
    assert process.stderr is not None
    assert process.stderr.readline()

    process.send_signal(signal.SIGINT)

    assert process.wait(WITHIN) == 130
    assert "Traceback" not in process.stderr.read()


@pytest.mark.usefixtures("operator")
def test_several_kubeconfigs(api: KubeApi, viewer: Person, tmp_path: Path) -> None:
    """The first file that names a current context has the say, as for kubectl; others may hold its parts."""
    deploy(api)
    config = yaml.safe_load(Path(viewer.kubeconfig).read_text())
    user = {"apiVersion": "v1", "kind": "Config", "users": config["users"]}
    config["contexts"][0]["context"]["namespace"] = "kube-public"
    config["contexts"][0]["name"] = "elsewhere"
    context = {"cluster": "cluster", "user": "user", "namespace": api.namespace}
    first = {
        "apiVersion": "v1",
        "kind": "Config",
        "contexts": [{"name": "here", "context": context}],
        "current-context": "here",
    }
    rest = {**config, "users": [], "current-context": "elsewhere"}
    for name, content in (("a", first), ("b", user), ("c", rest)):
        write_kubeconfig(tmp_path / name, content)
    several = ":".join(str(tmp_path / name) for name in ("a", "missing", "b", "c"))

    done = viewer("status", "minilm", KUBECONFIG=several)
    other = viewer("status", "minilm", "--context", "elsewhere", KUBECONFIG=several)

    assert (done.returncode, done.stderr) == (0, "")
    assert viewer.run("config", "current-context", KUBECONFIG=several).stdout == "here\n"
    assert "in namespace kube-public" in other.stderr
