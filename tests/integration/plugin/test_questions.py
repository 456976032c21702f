"""``kubectl model status``, ``why``, ``templates`` and ``instances``, by somebody with the role ``view``."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.cluster.waiting import wait_for
from tests.examples.objects import (
    deploy,
    instance,
    template,
    wait_until_counted,
)
from tests.integration.operator.test_causes import failing, wait_for_cause

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi
    from tests.integration.plugin.conftest import Person

pytestmark = pytest.mark.usefixtures("operator")


def words(text: str) -> list[list[str]]:
    """Give the words of each line, without branches, ages, and what is random in the names of pods."""
    text = re.sub(r"(Pod/[\w-]+?)-[a-z0-9]{6,10}-[a-z0-9]{5} ", r"\1-x ", re.sub(r"[├└│─]", "", text))
    return [
        [word for word in line.split() if not re.fullmatch(r"\d+s|\d+m\d+s", word)]
        for line in text.splitlines()
    ]


def test_status_of_a_model_that_serves(api: KubeApi, viewer: Person) -> None:
    deploy(api)

    done = viewer("status", "minilm")

    assert (done.returncode, done.stderr) == (0, "")
    assert words(done.stdout) == [
        ["NAME", "STATUS", "READY", "AGE", "DETAIL"],
        ["ModelInstance/minilm", "RolledOut", "1/1", "ModelTemplate", "encoder"],
        ["Deployment/minilm", "READY", "1/1", f"http://minilm.{api.namespace}.svc"],
        ["Pod/minilm-x", "Ready", "1/1"],
    ]
    assert "\x1b" not in done.stdout
    why = viewer("why", "modelinstance.modeloperator.dev/minilm")
    assert (why.returncode, why.stderr) == (0, "")
    assert re.match(rf"ModelInstance {api.namespace}/minilm has been Ready for \w+: RolledOut\n", why.stdout)


@pytest.mark.parametrize("failure", ["crash-loop", "volume"])
def test_of_a_model_that_fails(api: KubeApi, viewer: Person, failure: str) -> None:
    api.apply(failing(failure))
    api.apply(instance())
    reason = {"crash-loop": "CrashLooping", "volume": "VolumeNotReady"}[failure]
    message = next(
        each["message"]
        for each in wait_for_cause(api, reason)["status"]["conditions"]
        if each["type"] == "Ready"
    )
    detail, advice = message.split(" Action (template owner): ")

    status, why = viewer("status", "minilm"), viewer("why", "minilm")

    assert (status.returncode, status.stderr) == (0, "")
    *_, pod, empty, last, who = status.stdout.splitlines()
    assert pod.split()[2] == reason
    assert pod.endswith(detail.removeprefix("Deployment minilm: "))
    assert (empty, last, who) == ("", f"{reason}: {detail}", f"Action (template owner): {advice}")
    assert (why.returncode, why.stderr) == (1, "")
    assert f"What     {detail}\n" in why.stdout
    assert re.search(r"^Where    Pod minilm-\w+-\w+ of Deployment minilm$", why.stdout, re.MULTILINE)
    assert f"Next     {advice}\n" in why.stdout
    assert "Who      template owner (may change ModelTemplate " in why.stdout


def test_templates_and_their_instances(api: KubeApi, cluster_api: KubeApi, viewer: Person) -> None:
    deploy(api)
    api.apply(template("unused"))
    api.apply(instance("early", model_template_id="later"))
    wait_until_counted(api)
    api.wait_for_condition("ModelTemplate", "unused", "Ready")
    api.wait_for_condition("ModelInstance", "early", "Ready", "False", reason="TemplateNotFound")

    shown = viewer("templates")
    of_encoder, of_unused = (
        viewer("instances", "--template", "encoder"),
        viewer("instances", "-t", "mt/unused"),
    )
    named = viewer("instances", "-o", "name")
    early = viewer("instances", "--template", "later", "-o", "name")

    assert [line[:6] for line in words(shown.stdout)] == [
        ["KIND", "NAME", "READY", "REASON", "TYPE", "INSTANCES"],
        ["ModelTemplate", "encoder", "True", "TemplateValid", "EMBEDDING", "1"],
        ["ModelTemplate", "unused", "True", "TemplateValid", "EMBEDDING", "0"],
    ]
    assert shown.stderr.startswith("without ClusterModelTemplates: user system:serviceaccount:")
    assert "cannot list clustermodeltemplates.modeloperator.dev in the whole cluster" in shown.stderr
    assert shown.stderr.endswith("model-operator-cluster-templates-view grants that permission\n")
    assert [line[:4] for line in words(of_encoder.stdout)[1:]] == [["minilm", "True", "RolledOut", "encoder"]]
    assert (of_unused.returncode, of_unused.stdout) == (0, "")
    assert of_unused.stderr == f"no instances found of ModelTemplate unused in namespace {api.namespace}\n"
    assert named.stdout.split() == [f"modelinstance.modeloperator.dev/{name}" for name in ("early", "minilm")]
    assert early.stdout.split() == ["modelinstance.modeloperator.dev/early"]
    for form, load in (("json", json.loads), ("yaml", yaml.safe_load)):
        (listed,) = load(viewer("instances", "-t", "encoder", "-o", form).stdout)["items"]
        assert listed["spec"] == api.get("ModelInstance", "minilm")["spec"]
    wide = viewer("instances", "-o", "wide").stdout.splitlines()
    assert wide[0].split()[-3:] == ["KIND", "REVISION", "MESSAGE"]
    assert "Action (user): create the template" in wide[1]


def test_cluster_templates_are_shown_to_those_who_may_read_them(
    api: KubeApi, cluster_api: KubeApi, viewer: Person
) -> None:
    name = f"shared-{api.namespace}"
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "model-operator-cluster-templates-view",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "view", "namespace": api.namespace}],
    }
    cluster_api.create(binding)
    cluster_api.apply({**template(name), "kind": "ClusterModelTemplate"})
    try:
        api.apply(instance(model_template_id=name))
        api.wait_for_condition("ModelInstance", "minilm", "Ready")

        def is_shown() -> bool:
            shown = viewer("templates")
            assert shown.stderr == ""
            return bool(
                re.search(rf"^ClusterModelTemplate +{name} +True +TemplateValid", shown.stdout, re.MULTILINE)
            )

        wait_for(is_shown)
        # By the role `view`, the labels of the own namespace are readable.
        grant = {"from": "Selected", "selector": {"matchLabels": {"models": "shared"}}}
        cluster_api.patch("ClusterModelTemplate", name, {"spec": {"allowed_namespaces": grant}})
        api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="TemplateNotShared")
        assert name not in viewer("templates").stdout
        why = viewer("why", "minilm")
        assert (why.returncode, "TemplateNotShared\n" in why.stdout.splitlines(keepends=True)[0]) == (1, True)
        assert f"may change ClusterModelTemplate {name}" in why.stdout
        done = viewer("instances", "--template", f"cmt/{name}", "-o", "name")
        assert done.stdout == "modelinstance.modeloperator.dev/minilm\n"
        assert f"ClusterModelTemplate {name}" in viewer("status", "minilm").stdout
    finally:
        api.delete("ModelInstance", "minilm")
        cluster_api.delete("ClusterModelTemplate", name)
        cluster_api.delete("ClusterRoleBinding", name)


def test_in_a_pipe(api: KubeApi, viewer: Person) -> None:
    deploy(api)

    for command in ("status minilm", "why minilm", "templates", "instances -o yaml"):
        done = subprocess.run(
            ["bash", "-c", f"kubectl model {command} | true"],
            env=viewer.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert "Broken pipe" not in done.stderr


def test_words_are_completed_by_kubectl(api: KubeApi, viewer: Person) -> None:
    deploy(api)
    api.apply(instance("other", model_template_id="none"))
    api.wait_for_condition("ModelInstance", "other", "Ready", "False")

    def offered(*typed: str) -> list[str]:
        done = viewer.run("__complete", "model", *typed)
        *choices, directive = done.stdout.splitlines()
        assert directive in (":4", ":0"), done.stderr
        return [*choices, directive]

    def comes(*typed: str, choices: list[str]) -> None:
        # Nothing is offered when the API server takes its time: nobody is to wait for a completion.
        wait_for(lambda: offered(*typed) == [*choices, ":4"], message=f"{typed} is completed by {choices}")

    comes("status", "", choices=["minilm\tRolledOut", "other\tTemplateNotFound"])
    comes("why", "mi", choices=["minilm\tRolledOut"])
    comes("instances", "--template", "", choices=["encoder\tModelTemplate"])
    assert offered("status", "--context", "") == ["context", ":4"]
    assert offered("status", "--namespace", "") == [":4"]
    assert offered("wait", "--for", "d") == ["delete", ":4"]
    assert offered("render", "--filename", "") == [":0"]
    assert [each.split("\t")[0] for each in offered("w")] == ["why", "wait", ":4"]
    assert offered("status", "--kubeconfig", "/nowhere", "") == [":4"]
