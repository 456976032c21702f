"""What is told of a mistake: one line that says what to do, and exit status 2; never a traceback."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubeconfig import write_kubeconfig
from tests.examples.objects import deploy, instance, template
from tests.integration.plugin.conftest import Person

if TYPE_CHECKING:
    import subprocess

    from tests.cluster.kube_api import KubeApi
    from tests.integration.plugin.conftest import Invite

ERROR = "kubectl model: error: "
COMMANDS = (("status", "minilm"), ("status", "minilm", "--watch"), ("why", "minilm"), ("wait", "minilm"))
A_FEW = (("status", "minilm", "--watch"), ("wait", "minilm"), ("templates",))
"""One of each kind: each command is a process that takes a second of a processor."""


def told(done: subprocess.CompletedProcess[str]) -> str:
    """Give the one line of a mistake."""
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith(ERROR)
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix(ERROR).rstrip("\n")


def test_names_of_nothing(api: KubeApi, viewer: Person) -> None:
    missing = f"there is no ModelInstance minilm in namespace {api.namespace}"
    assert told(viewer("status", "minilm")) == f"{missing}; there are none"
    for name in ("minilm-2", "other"):
        api.apply(instance(name))

    for command in COMMANDS:
        assert told(viewer(*command)) == f"{missing}; did you mean minilm-2?"
    api.delete("ModelInstance", "minilm-2")
    api.wait_until_gone("ModelInstance", "minilm-2")
    assert told(viewer("why", "minilm")) == f"{missing}; known: other"


@pytest.mark.usefixtures("operator")
def test_another_namespace(api: KubeApi, administrator: Person, viewer: Person) -> None:
    # In a cluster that is shared, other tests have instances of usual names.
    deploy(api, name="only-here")

    assert told(administrator("why", "only-here", "--namespace", "kube-public")).endswith(
        f"in namespace kube-public; there is one in namespace {api.namespace}"
    )
    may_not = (
        "cannot get modelinstances.modeloperator.dev in namespace kube-public; the ClusterRole view grants"
    )
    assert may_not in told(viewer("why", "only-here", "-n", "kube-public"))


def test_templates_of_nothing(api: KubeApi, administrator: Person, viewer: Person) -> None:
    api.apply(template())
    missing = "there is no template encodr; did you mean encoder?"

    assert told(administrator("instances", "--template", "encodr", "-n", api.namespace)) == missing
    done = viewer("instances", "--template", "encodr")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        f"no instances found of template encodr in namespace {api.namespace}; "
        f"among the readable templates, {missing}\n"
    )


def test_without_rights(api: KubeApi, invite: Invite) -> None:
    nobody = invite(None, api)

    for command in A_FEW:
        verb = "get" if "minilm" in command else "list"
        resource = "modeltemplates" if command == ("templates",) else "modelinstances"
        assert told(nobody(*command)) == (
            f"user system:serviceaccount:{api.namespace}:nobody cannot {verb} {resource}.modeloperator.dev "
            f"in namespace {api.namespace}; the ClusterRole view grants that permission"
        )


def test_with_rights_on_instances_alone(api: KubeApi, invite: Invite) -> None:
    api.apply(instance())

    message = told(invite("model-operator-view", api)("status", "minilm"))

    # All three are asked for at once.
    assert re.search(r"cannot list (deployments\.apps|replicasets\.apps|pods) in namespace", message)


def test_all_namespaces_take_rights_on_all(viewer: Person) -> None:
    message = told(viewer("instances", "--all-namespaces"))

    assert message.endswith(
        "cannot list modelinstances.modeloperator.dev in the whole cluster; "
        "the ClusterRole view grants that permission"
    )


def test_without_a_cluster(viewer: Person, tmp_path: Path) -> None:
    config = yaml.safe_load(Path(viewer.kubeconfig).read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    write_kubeconfig(tmp_path / "config", config)

    expected = "the cluster at https://127.0.0.1:9 does not respond: Cannot connect to host"
    for command in A_FEW:
        assert told(viewer(*command, "--kubeconfig", tmp_path / "config")).startswith(expected)


def test_with_a_token_that_has_run_out(viewer: Person, tmp_path: Path) -> None:
    config = yaml.safe_load(Path(viewer.kubeconfig).read_text())
    config["users"][0]["user"]["token"] = "wrong"
    write_kubeconfig(tmp_path / "config", config)

    assert "401 Unauthorized" in told(viewer("templates", "--kubeconfig", tmp_path / "config"))


def test_without_crds(control_plane: ControlPlane) -> None:
    with ControlPlane.start(crds=False, bare=True) as cluster:
        administrator = Person(cluster.kubectl, cluster.kubeconfig)
        for command in A_FEW:
            assert told(administrator(*command)).endswith(
                "modeloperator.dev: the CRDs of model-operator are not installed, or not served yet"
            )


WRONG_WORDS = (
    (("status", "a/b"), "INSTANCE must be the name of a ModelInstance, got 'a/b'"),
    (("why", "../secrets"), "INSTANCE must be the name of a ModelInstance, got '../secrets'"),
    (("wait", "Minilm"), "INSTANCE must be the name of a ModelInstance, got 'Minilm'"),
    (("status", "a", "-n", "b/c"), "--namespace must be the name of a namespace, got 'b/c'"),
    (("status", "a", "--context", "other"), "Expected object with name other in"),
    (("status", "a", "--kubeconfig", "/nowhere"), "no kubeconfig: /nowhere does not exist"),
    (("templates", "--kubeconfig", __file__), "cannot read the kubeconfig"),
)


def test_wrong_words(viewer: Person) -> None:
    for arguments, expected in WRONG_WORDS:
        assert expected in told(viewer(*arguments))


WRONG_USAGE: tuple[tuple[tuple[str, ...], str], ...] = (
    ((), "Usage: kubectl model [OPTIONS] COMMAND"),
    (("status",), "Missing argument 'INSTANCE'"),
    (("wait", "a", "--timeout", "5"), "must be a duration such as 90s, 5m or 1h30m, got '5'"),
    (
        ("instances", "-t", "pod/a"),
        "must be NAME, mt/NAME, mt/NAMESPACE/NAME or cmt/NAME, got 'pod/a'",
    ),
    (("templates", "-o", "csv"), "csv"),
    (("stauts", "a"), "No such command 'stauts'"),
)


def test_wrong_usage(viewer: Person) -> None:
    for arguments, expected in WRONG_USAGE:
        done = viewer(*arguments)
        assert done.returncode == 2
        assert expected in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
