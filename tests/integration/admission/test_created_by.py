"""Who created an instance: written down once, and never what somebody claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from model_operator.core.objects.kept_form import CREATED_BY_TYPE, CREATED_BY_USER
from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.cluster.processes import REPOSITORY
from tests.cluster.waiting import wait_for
from tests.cluster.webhooks import confined
from tests.examples.objects import template
from tests.fixtures.people import ALICE, FLUX, MALLORY, Writer, created_by, idle_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import Cluster
    from tests.cluster.kubectl import Kubectl
    from tests.fixtures.admission import Admission


class TestWithTheOperator:
    """The webhook writes."""

    def test_user(self, admission: Admission, kubectl: Kubectl) -> None:
        api = admission.api
        Writer(kubectl, api.namespace, "alice").run("create", "-f", "-", objects=[idle_model("by-user")])

        assert created_by(api, "by-user") == ALICE
        obj = api.wait_for_condition("ModelInstance", "by-user", "Ready")
        assert obj["status"]["created_by_user_id"] == "alice"
        assert obj["status"]["created_by_identity_type"] == "user"

    def test_service_account(self, admission: Admission, cluster: Cluster) -> None:
        api = admission.api
        api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deployer"}})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        subject = {"kind": "ServiceAccount", "name": "deployer", "namespace": api.namespace}
        api.create(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": "deployer"},
                "roleRef": role,
                "subjects": [subject],
            }
        )
        user = f"system:serviceaccount:{api.namespace}:deployer"
        wait_for(lambda: api.is_allowed(user, "create", "modelinstances", group="modeloperator.dev"))
        deployer = KubeApi(cluster.service_account_kubeconfig(api.namespace, "deployer"), api.namespace)
        deployer.create(idle_model("by-account"))
        deployer.close()

        assert created_by(api, "by-account") == {
            CREATED_BY_USER: f"system:serviceaccount:{api.namespace}:deployer",
            CREATED_BY_TYPE: "service_account",
        }

    def test_others_who_apply_it_again_are_not_who_created_it(
        self, admission: Admission, kubectl: Kubectl
    ) -> None:
        api = admission.api
        alice, flux = (Writer(kubectl, api.namespace, user) for user in ("alice", FLUX))
        alice.run("create", "-f", "-", objects=[idle_model("adopted")])

        for description in ("one", "two"):
            flux.run(
                *("apply", "--server-side", "--field-manager=kustomize-controller", "-f", "-"),
                objects=[idle_model("adopted", description=description)],
            )
            assert created_by(api, "adopted") == ALICE
        flux.run("apply", "-f", "-", objects=[idle_model("adopted", description="three")])
        assert created_by(api, "adopted") == ALICE
        flux.run("replace", "-f", "-", objects=[idle_model("adopted", description="four")])
        assert created_by(api, "adopted") == ALICE
        assert api.get("ModelInstance", "adopted")["spec"]["description"] == "four"

    def test_claims_are_corrected_and_said(self, admission: Admission, kubectl: Kubectl) -> None:
        api = admission.api
        alice = Writer(kubectl, api.namespace, "alice")
        said = alice.says("create", "-f", "-", objects=[idle_model("claimed", MALLORY)])
        assert said.startswith("Warning: ModelInstance claimed: annotations modeloperator.dev/created-by-")
        assert created_by(api, "claimed") == ALICE

        mallory = Writer(kubectl, api.namespace, "mallory")
        for words in (
            ("annotate", "mi", "claimed", "--overwrite", f"{CREATED_BY_USER}=mallory"),
            ("annotate", "mi", "claimed", f"{CREATED_BY_USER}-"),
            (
                "patch",
                "mi",
                "claimed",
                "--type=json",
                "-p",
                '[{"op":"remove","path":"/metadata/annotations"}]',
            ),
        ):
            mallory.run(*words)
            assert created_by(api, "claimed") == ALICE

    def test_templates(self, admission: Admission, kubectl: Kubectl) -> None:
        api = admission.api
        alice, mallory = (Writer(kubectl, api.namespace, user) for user in ("alice", "mallory"))
        cluster_wide = template(f"{admission.name}-made") | {"kind": "ClusterModelTemplate"}
        for obj in (template("made"), cluster_wide):
            kind, name = obj["kind"], obj["metadata"]["name"]
            alice.run("create", "-f", "-", objects=[obj])
            assert created_by(api, name, kind) == ALICE
            mallory.run("annotate", kind, name, "--overwrite", f"{CREATED_BY_USER}=mallory")
            assert created_by(api, name, kind) == ALICE
            api.delete(kind, name)


class TestWithoutTheOperator:
    """The policy guards."""

    def test_templates(self, private_admission: Admission, kubectl: Kubectl) -> None:
        api = private_admission.api
        alice, mallory = (Writer(kubectl, api.namespace, user) for user in ("alice", "mallory"))
        forged = template("made")
        forged["metadata"]["annotations"] = MALLORY
        assert "ValidatingAdmissionPolicy" in alice.says("create", "-f", "-", objects=[forged])
        forged["metadata"]["annotations"] = ALICE
        alice.run("create", "-f", "-", objects=[forged])
        said = mallory.says("annotate", "mt", "made", "--overwrite", f"{CREATED_BY_USER}=mallory")
        assert "cannot be changed, added or removed" in said
        assert created_by(api, "made", "ModelTemplate") == ALICE

    def test_creation_without_a_word_passes(self, private_admission: Admission, kubectl: Kubectl) -> None:
        api = private_admission.api
        alice, mallory = (Writer(kubectl, api.namespace, user) for user in ("alice", "mallory"))
        alice.run("create", "-f", "-", objects=[idle_model("unsaid")])
        assert created_by(api, "unsaid") == {}
        mallory.run("apply", "-f", "-", objects=[idle_model("unsaid", description="new")])

        said = mallory.says("annotate", "mi", "unsaid", f"{CREATED_BY_USER}=mallory")
        assert "cannot be changed, added or removed" in said
        private_admission.start()
        assert "name the user who created it" in mallory.says(
            "annotate", "mi", "unsaid", f"{CREATED_BY_USER}=mallory"
        )
        assert created_by(api, "unsaid") == {}

    @pytest.mark.parametrize(
        ("annotations", "key"),
        [
            (MALLORY, CREATED_BY_USER),
            ({CREATED_BY_USER: "mallory"}, CREATED_BY_USER),
            ({CREATED_BY_USER: ""}, CREATED_BY_USER),
            ({CREATED_BY_USER: "alice", CREATED_BY_TYPE: "service_account"}, CREATED_BY_TYPE),
            ({CREATED_BY_TYPE: "robot"}, CREATED_BY_TYPE),
        ],
    )
    def test_creation_in_another_user_s_name_is_refused(
        self, private_admission: Admission, kubectl: Kubectl, annotations: dict[str, str], key: str
    ) -> None:
        alice = Writer(kubectl, private_admission.api.namespace, "alice")

        said = alice.says("create", "-f", "-", objects=[idle_model("forged", annotations)])

        assert "ValidatingAdmissionPolicy" in said
        assert f"metadata.annotations[{key}] must be left out or be" in said

    @pytest.mark.parametrize("half", [{CREATED_BY_USER: "alice"}, {CREATED_BY_TYPE: "user"}])
    def test_creation_with_half_of_the_truth_is_refused(
        self, private_admission: Admission, kubectl: Kubectl, half: dict[str, str]
    ) -> None:
        alice = Writer(kubectl, private_admission.api.namespace, "alice")

        said = alice.says("create", "-f", "-", objects=[idle_model("halved", half)])

        assert "metadata.annotations must have both" in said

    def test_creator_stays(self, private_admission: Admission, kubectl: Kubectl) -> None:
        api = private_admission.api
        alice, flux = (Writer(kubectl, api.namespace, user) for user in ("alice", FLUX))
        alice.run("create", "-f", "-", objects=[idle_model("kept", ALICE)])
        assert created_by(api, "kept") == ALICE

        # Whoever does not speak of them changes nothing, and is let through.
        flux.run("apply", "--server-side", "-f", "-", objects=[idle_model("kept", description="new")])
        alice.run("label", "mi", "kept", "team=search")
        for claim in (MALLORY, {}):
            said = flux.says("replace", "-f", "-", objects=[idle_model("kept", claim)])
            assert "cannot be changed, added or removed" in said
        with pytest.raises(KubeApiError) as refusal:
            api.patch("ModelInstance", "kept", {"metadata": {"annotations": {CREATED_BY_USER: None}}})
        assert (refusal.value.code, refusal.value.reason) == (403, "Forbidden")
        assert created_by(api, "kept") == ALICE

        # What is being deleted must be able to go; its creator stays to the end.
        api.patch("ModelInstance", "kept", {"metadata": {"finalizers": ["example.com/hold"]}})
        api.delete("ModelInstance", "kept")
        assert "cannot be changed" in alice.says("replace", "-f", "-", objects=[idle_model("kept")])
        alice.run("replace", "-f", "-", objects=[idle_model("kept", ALICE)])
        api.wait_until_gone("ModelInstance", "kept")


@pytest.mark.kubernetes("1.36")
class TestByTheApiServerAlone:
    """The overlay for Kubernetes 1.36: a policy writes, and no operator is needed."""

    @pytest.fixture
    def api(self, private_admission: Admission, cluster_api: KubeApi) -> Iterator[KubeApi]:
        """Give a namespace with both policies."""
        text = (REPOSITORY / "manifests/overlays/admission-policy/policy.yaml").read_text()
        installed = private_admission
        objects = confined(yaml.safe_load_all(text), installed.name, installed.namespaces)
        for obj in objects:
            cluster_api.create(obj)
        probe = idle_model("probe")
        wait_for(lambda: CREATED_BY_USER in str(installed.api.create(probe, dry_run=True)))
        yield installed.api
        for obj in objects:
            cluster_api.delete(obj["kind"], obj["metadata"]["name"])

    def test_creator_is_written_and_kept(self, api: KubeApi, kubectl: Kubectl) -> None:
        alice, flux = (Writer(kubectl, api.namespace, user) for user in ("alice", FLUX))
        alice.run("create", "-f", "-", objects=[idle_model("kept", MALLORY)])
        assert created_by(api, "kept") == ALICE
        for words in (
            ("apply", "--server-side", "--force-conflicts", "-f", "-"),
            ("replace", "-f", "-"),
        ):
            flux.run(*words, objects=[idle_model("kept", description=words[0])])
            assert created_by(api, "kept") == ALICE
            flux.run(*words, objects=[idle_model("kept", MALLORY | {"team": "search"}, description=words[0])])
            assert created_by(api, "kept") == ALICE
        assert api.get("ModelInstance", "kept")["metadata"]["annotations"]["team"] == "search"

        flux.run("create", "-f", "-", objects=[idle_model("by-flux")])
        assert created_by(api, "by-flux") == {CREATED_BY_USER: FLUX, CREATED_BY_TYPE: "service_account"}

    def test_nobody_is_named_afterwards(
        self, private_admission: Admission, request: pytest.FixtureRequest
    ) -> None:
        private_admission.api.create(idle_model("unsaid"))
        api = request.getfixturevalue("api")
        api.patch("ModelInstance", "unsaid", {"metadata": {"annotations": MALLORY | {"team": "search"}}})
        assert created_by(api, "unsaid") == {}
        assert api.get("ModelInstance", "unsaid")["metadata"]["annotations"] == {"team": "search"}
