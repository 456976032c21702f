"""``kubectl model rollout`` and ``diff``: roll-outs, read with ``view`` and changed with ``admin``.

Where a test needs a certain state of a roll-out, it writes the status itself, in a namespace that no operator
serves.
"""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from model_operator.core.templates.revisions.identity import revision_of
from model_operator.core.templates.revisions.objects import revision_object
from tests.cluster.waiting import wait_for
from tests.examples.objects import deploy, edit_bundle, instance, template
from tests.gitops.flux import LABELS, Flux
from tests.integration.plugin.test_waiting import WITHIN, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.kube_api import KubeApi, Object
    from tests.integration.plugin.conftest import Invite, Person

TIME = "2026-01-01T00:00:00Z"
ROLLOUT = {"steps": [{"name": "canary", "labels": {"tier": "canary"}, "needs_approval": True}]}
FIELDS = "f:spec", "f:rollout"


def latest(api: KubeApi) -> str:
    """Give the hash of the latest revision once the template's status is up to date."""

    def found() -> str | None:
        obj = api.get("ModelTemplate", "encoder")
        wanted = revision_of(obj).hash
        return wanted if (obj.get("status") or {}).get("latest_revision") == wanted else None

    return str(wait_for(found, message="the revision of the template is stored"))


def rolling(state: str, reason: str, *, done: bool = False, **rollout: Any) -> Object:
    """Give the status of a template in the middle of a roll-out, but for its generation."""
    counts = {"instances": 5, "arrived": 1, "moving": 1, "failed": 0, "waiting": 3, "pinned": 0}
    conditions = [
        {
            "type": kind,
            "status": str(is_true),
            "reason": why,
            "message": f"{why} it is.",
            "lastTransitionTime": TIME,
        }
        for kind, is_true, why in (("Ready", True, "TemplateValid"), ("RolledOut", done, reason))
    ]
    held = {"revision": "b" * 12, "state": state, "step": "canary", "started_at": TIME, **counts, **rollout}
    return {
        "conditions": conditions,
        "latest_revision": "b" * 12,
        "stable_revision": "a" * 12,
        "rollout": held,
    }


def report(api: KubeApi, status: Object) -> None:
    """Write the status of the template, as its operator would."""
    generation = api.get("ModelTemplate", "encoder")["metadata"]["generation"]
    patch = {"status": {**status, "observedGeneration": generation}}
    api.patch("ModelTemplate", "encoder", patch, subresource="status")


def managers(api: KubeApi, field: str) -> list[str]:
    """Give who manages a field of the template's roll-out."""
    entries = api.get("ModelTemplate", "encoder")["metadata"]["managedFields"]
    of = {
        each["manager"]: each["fieldsV1"].get("f:spec", {}).get("f:rollout", {})
        for each in entries
        if not each.get("subresource")
    }
    return sorted(name for name, fields in of.items() if f"f:{field}" in fields)


@contextmanager
def running(person: Person, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``kubectl model`` in the background."""
    with person.start(*words) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.usefixtures("operator")
def test_revisions_are_listed_compared_and_undone(
    api: KubeApi, viewer: Person, administrator: Person
) -> None:
    deploy(api)
    first = latest(api)
    edit_bundle(api, tag="v2", env={"ADDED": "1"}, streaming_command=["serve"])
    second = latest(api)

    def is_counted() -> str | None:
        done = viewer("rollout", "history", "encoder")
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout if re.search(rf"{second} +2 +1 +latest, stable ", done.stdout) else None

    shown = wait_for(is_counted, message="the second revision is stable")
    assert shown.splitlines()[0].split() == ["REVISION", "NUMBER", "INSTANCES", "MARKS", "AGE"]
    assert [line.split()[:3] for line in shown.splitlines()[1:]] == [[first, "1", "0"], [second, "2", "1"]]
    named = viewer("rollout", "history", "modeltemplate.modeloperator.dev/encoder", "-o", "name")
    assert named.stdout.split() == [
        f"modeltemplaterevision.modeloperator.dev/encoder-{each}" for each in (first, second)
    ]

    compared = viewer("diff", "encoder", "previous", "latest")
    assert (compared.returncode, compared.stderr) == (1, "")
    assert compared.stdout.startswith(f"--- encoder-{first} (number 1")
    changed = [line.strip() for line in compared.stdout.splitlines()[2:] if line[0] in "+-"]
    assert changed == [
        "+      ADDED: '1'",
        "-    tag: v1",
        "+    streaming_command:",
        "+    - serve",
        "+    tag: v2",
    ]
    same = viewer("diff", "mt/encoder", second, "2")
    assert (same.returncode, same.stdout) == (0, "")

    undone = viewer("rollout", "undo", "encoder", "--to", "1")
    assert undone.returncode == 0
    assert undone.stderr == f"ModelTemplate {api.namespace}/encoder at revision {first} (number 1)\n"
    # What others have added would stay, with kubectl's apply, were it not named.
    bundle = yaml.safe_load(undone.stdout)["spec"]["vendor_configuration"]["bundle_config"]
    assert (bundle["streaming_command"], bundle["env"]["ADDED"]) == (None, None)
    pipe = "kubectl model rollout undo encoder --to-revision 1 -n {0} | kubectl apply -n {0} -f -"
    subprocess.run(
        ["bash", "-o", "pipefail", "-c", pipe.format(api.namespace)],
        env=administrator.environment,
        check=True,
        capture_output=True,
        timeout=WITHIN * 4,
    )
    assert latest(api) == first
    again = viewer("rollout", "undo", "encoder")
    assert f"at revision {second} (number 2" in again.stderr


@pytest.mark.usefixtures("operator")
def test_revisions_are_completed(api: KubeApi, viewer: Person) -> None:
    deploy(api)
    first = latest(api)

    def offered(*typed: str) -> list[str]:
        return viewer.run("__complete", "model", *typed).stdout.splitlines()

    words = ["latest", "previous", "stable"]
    expected = [*sorted([f"{first}\tlatest, stable", *words]), ":4"]
    wait_for(lambda: offered("rollout", "undo", "encoder", "--to", "") == expected)
    wait_for(lambda: offered("diff", "mt/encoder", "latest", "") == expected)
    wait_for(
        lambda: offered("rollout", "approve", "encoder", first[:3]) == [f"{first}\tlatest, stable", ":4"]
    )
    wait_for(lambda: offered("rollout", "status", "enc") == ["encoder\tModelTemplate", ":4"])
    wait_for(lambda: offered("rollout", "status", "mt/") == ["mt/encoder\tModelTemplate", ":4"])


def test_a_forged_revision_is_ignored(private_api: KubeApi, invite: Invite) -> None:
    viewer = invite("view", private_api)
    private_api.apply(template())
    forged = revision_object(private_api.get("ModelTemplate", "encoder"), 1)
    forged["spec"]["template_spec"]["model_type"] = "AGENT"
    private_api.create(forged)

    done = viewer("rollout", "history", "encoder")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        f"revision {forged['metadata']['name']} is ignored: its content does not have the hash of its name",
        f"no revision of ModelTemplate {private_api.namespace}/encoder is stored",
    ]
    refused = viewer("rollout", "undo", "encoder", "--to", forged["spec"]["hash"])
    assert (refused.returncode, refused.stdout) == (2, "")


def test_where_a_roll_out_stands(private_api: KubeApi, invite: Invite) -> None:
    viewer = invite("view", private_api)
    private_api.apply({**template(), "spec": {**template()["spec"], "rollout": ROLLOUT}})

    fresh = viewer("rollout", "status", "encoder")
    report(private_api, rolling("AWAITING_APPROVAL", "AwaitingApproval"))
    waits = viewer("rollout", "status", "mt/encoder")
    report(private_api, rolling("HALTED", "Halted", failed=1))
    private_api.apply(instance())
    bound = {
        "kind": "ModelTemplate",
        "name": "encoder",
        "uid": private_api.get("ModelTemplate", "encoder")["metadata"]["uid"],
    }
    crash = {
        "status": "False",
        "reason": "CrashLooping",
        "message": "It crashes.",
        "lastTransitionTime": TIME,
    }
    stalled = {**crash, "type": "Stalled", "status": "True"}
    status = {
        "observedGeneration": 1,
        "conditions": [{**crash, "type": "Ready"}, stalled],
        "template": {**bound, "generation": 1, "revision": "b" * 12},
    }
    private_api.patch("ModelInstance", "minilm", {"status": status}, subresource="status")
    halted = viewer("rollout", "status", "encoder")
    late = viewer("rollout", "status", "encoder", "--timeout", "1s")
    report(private_api, rolling("COMPLETE", "AllUpdated", done=True))
    complete = viewer("rollout", "status", "encoder", "--watch")

    name = f"ModelTemplate {private_api.namespace}/encoder"
    assert (fresh.returncode, fresh.stderr) == (3, "")
    assert fresh.stdout.startswith(f"{name} has not been reconciled yet\n")
    assert (waits.returncode, waits.stderr) == (3, "")
    shown = re.sub(r"for \w+", "for 9d", waits.stdout)
    assert shown.splitlines() == [
        f"{name} awaits an approval",
        "What     AwaitingApproval: AwaitingApproval it is.",
        "Latest   bbbbbbbbbbbb, for 9d",
        "Stable   aaaaaaaaaaaa",
        "State    AWAITING_APPROVAL in step canary (1 of 3)",
        "Models   5: 1 arrived, 1 moving, 0 failed, 3 waiting, 0 pinned",
    ]
    assert halted.returncode == late.returncode == 1
    assert (
        halted.stdout.splitlines()[-1]
        == f"Failing  {private_api.namespace}/minilm: CrashLooping: It crashes."
    )
    assert (complete.returncode, complete.stdout.splitlines()[0]) == (0, f"{name} is rolled out")


def test_a_watch_ends_with_the_roll_out(private_api: KubeApi, invite: Invite) -> None:
    viewer = invite("view", private_api)
    private_api.apply({**template(), "spec": {**template()["spec"], "rollout": ROLLOUT}})
    report(private_api, rolling("SOAKING", "Soaking"))
    timed_out = viewer("rollout", "status", "encoder", "--watch", "--timeout", "1s")
    with running(viewer, "rollout", "status", "encoder", "--watch") as process:
        seen = Reader(process, process.stderr)
        seen.wait_for("Soaking: Soaking it is")
        report(private_api, rolling("PAUSED", "Paused"))
        seen.wait_for("Paused: Paused it is")
        edit_bundle(private_api, tag="v2")
        seen.wait_for("has not reconciled generation 2 of the template yet")
        report(private_api, rolling("HALTED", "Halted"))
        assert process.wait(WITHIN * 4) == 1
        assert process.stdout is not None
        assert "Halted: Halted it is." in process.stdout.read()
    assert timed_out.returncode == 3
    assert "is not complete after 1 seconds" in timed_out.stderr

    report(private_api, rolling("SOAKING", "Soaking"))
    with running(viewer, "rollout", "status", "encoder", "--watch") as process:
        seen = Reader(process, process.stderr)
        seen.wait_for("Soaking")
        private_api.delete("ModelTemplate", "encoder")
        seen.wait_for(f"ModelTemplate {private_api.namespace}/encoder was deleted")
        assert process.wait(WITHIN * 4) == 1


def test_a_field_is_printed_or_written(private_api: KubeApi, invite: Invite) -> None:
    viewer, admin = invite("view", private_api), invite("admin", private_api)
    private_api.apply({**template(), "spec": {**template()["spec"], "rollout": ROLLOUT}})
    report(private_api, rolling("AWAITING_APPROVAL", "AwaitingApproval"))
    name = "modeltemplate.modeloperator.dev/encoder"

    printed = viewer("rollout", "pause", "encoder")
    assert (printed.returncode, yaml.safe_load(printed.stdout)) == (
        0,
        {"spec": {"rollout": {"paused": True}}},
    )
    assert "nothing is written" in printed.stderr
    assert "paused" not in private_api.get("ModelTemplate", "encoder")["spec"]["rollout"]
    refused = viewer("rollout", "pause", "encoder", "--apply")
    assert refused.returncode == 2
    assert "cannot patch modeltemplates.modeloperator.dev" in refused.stderr
    assert refused.stderr.endswith("the ClusterRole admin grants that permission\n")

    paused = admin("rollout", "pause", "encoder", "--apply")
    assert (paused.returncode, paused.stdout, paused.stderr) == (0, f"{name} paused\n", "")
    unseen = admin("rollout", "approve", "encoder")
    assert "has not reconciled the current generation" in unseen.stderr
    report(private_api, rolling("AWAITING_APPROVAL", "AwaitingApproval"))
    wrong = admin("rollout", "approve", "encoder", "c" * 12, "--apply")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert f"revision {'c' * 12} is not the one that rolls out, which is {'b' * 12}" in wrong.stderr
    approved = admin("rollout", "approve", "encoder", "--apply")
    assert (approved.returncode, approved.stdout) == (0, f"{name} approved at revision {'b' * 12}\n")
    rollout = private_api.get("ModelTemplate", "encoder")["spec"]["rollout"]
    assert rollout == {**ROLLOUT, "paused": True, "approved": "b" * 12}
    assert managers(private_api, "paused") == managers(private_api, "approved") == ["model-operator-rollout"]

    resumed = admin("rollout", "resume", "encoder", "--apply")
    assert (resumed.returncode, resumed.stdout) == (0, f"{name} resumed\n")
    rollout = private_api.get("ModelTemplate", "encoder")["spec"]["rollout"]
    assert rollout == {**ROLLOUT, "approved": "b" * 12}

    patch = (
        'kubectl patch modeltemplate encoder --type merge --patch "$(kubectl model rollout pause encoder)"'
    )
    subprocess.run(
        ["bash", "-c", patch], env=admin.environment, check=True, capture_output=True, timeout=WITHIN * 4
    )
    assert private_api.get("ModelTemplate", "encoder")["spec"]["rollout"]["paused"] is True
    assert admin("rollout", "resume", "encoder", "--apply").returncode == 0
    assert private_api.get("ModelTemplate", "encoder")["spec"]["rollout"]["paused"] is False


def test_a_template_without_roll_outs_is_as_before_after_a_pause(
    private_api: KubeApi, invite: Invite
) -> None:
    admin = invite("admin", private_api)
    before = private_api.apply(template())["spec"]

    paused = admin("rollout", "pause", "encoder", "--apply")
    assert "the template has no spec.rollout" in paused.stderr
    assert private_api.get("ModelTemplate", "encoder")["spec"]["rollout"] == {"paused": True}
    assert admin("rollout", "resume", "encoder", "--apply").returncode == 0
    assert private_api.get("ModelTemplate", "encoder")["spec"] == before
    refused = admin("rollout", "approve", "encoder")
    assert (refused.returncode, refused.stdout) == (2, "")


def test_what_flux_manages_is_committed(private_api: KubeApi, invite: Invite) -> None:
    admin = invite("admin", private_api)
    of_git = {**template(), "spec": {**template()["spec"], "rollout": ROLLOUT}}
    of_git["metadata"] = {**of_git["metadata"], "labels": LABELS, "namespace": private_api.namespace}
    flux = Flux(private_api)
    flux.apply([of_git])
    owner = "Flux Kustomization flux-system/models"

    printed = admin("rollout", "pause", "encoder")
    assert yaml.safe_load(printed.stdout) == {"spec": {"rollout": {"paused": True}}}
    assert f"is managed by {owner}, which sets back what its source says" in printed.stderr
    refused = admin("rollout", "pause", "encoder", "--apply")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert (
        "Action (template owner): commit the change to the source of the Kustomization. Or add --force"
        in (refused.stderr)
    )
    assert "paused" not in private_api.get("ModelTemplate", "encoder")["spec"]["rollout"]
    assert admin("rollout", "pause", "encoder", "--apply", "--force").returncode == 0
    flux.apply([of_git])
    # Flux takes over the fields of kubectl's managers; this one is of another manager, and not in Git.
    assert private_api.get("ModelTemplate", "encoder")["spec"]["rollout"]["paused"] is True
    of_git["spec"]["rollout"] = {**ROLLOUT, "paused": False}
    flux.apply([of_git])
    assert private_api.get("ModelTemplate", "encoder")["spec"]["rollout"]["paused"] is False


def test_cluster_templates(
    private_api: KubeApi, cluster_api: KubeApi, invite: Invite, administrator: Person
) -> None:
    viewer = invite("view", private_api)
    name = f"shared-{private_api.namespace}"
    cluster_api.apply({**template(name), "kind": "ClusterModelTemplate", "metadata": {"name": name}})
    try:
        hidden = viewer("rollout", "status", name)
        assert hidden.returncode == 2
        assert f"there is no template {name}" in hidden.stderr
        assert "the ClusterRole model-operator-cluster-templates-view grants that permission" in hidden.stderr
        wait_for(lambda: administrator("rollout", "history", f"cmt/{name}", "-o", "name").stdout)
        history = administrator("rollout", "history", name)
        assert history.returncode == 0
        revision = history.stdout.splitlines()[1].split()[0]
        assert administrator("diff", name, "latest", revision).returncode == 0
        paused = administrator("rollout", "pause", name, "--apply")
        assert paused.stdout == f"clustermodeltemplate.modeloperator.dev/{name} paused\n"
        wait_for(lambda: administrator("rollout", "status", f"cmt/{name}").returncode == 0)
    finally:
        cluster_api.delete("ClusterModelTemplate", name)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("rollout status encodr", "there is no template encodr; did you mean encoder?"),
        ("rollout history cmt/encoder", "user system:serviceaccount"),
        ("rollout undo encoder", "has no revision but the one that it has now"),
        (
            "rollout undo encoder --to nothing",
            "a revision must be latest, stable, previous, a number or a hash",
        ),
        ("diff encoder latest 7", "has no revision with the number 7"),
        ("rollout resume encoder", "has no spec.rollout, so nothing is paused"),
        ("rollout pause encoder --force", "--force needs --apply"),
        ("rollout pause deployment/encoder", "must be NAME, mt/NAME, mt/NAMESPACE/NAME or cmt/NAME"),
        ("rollout status encoder --timeout 5", "must be a duration such as 90s"),
    ],
)
@pytest.mark.usefixtures("operator")
def test_mistakes(api: KubeApi, viewer: Person, words: str, error: str) -> None:
    api.apply(template())
    latest(api)

    done = viewer(*words.split())

    assert (done.returncode, done.stdout) == (2, "")
    assert error in done.stderr
    assert "Traceback" not in done.stderr
