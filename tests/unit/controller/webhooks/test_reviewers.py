"""What each webhook answers, and what it asks the API server for before."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.controller.webhooks import reviewers as subject
from model_operator.controller.webhooks.review import MalformedReviewError
from model_operator.core.objects.kept_form import CREATED_BY_USER
from model_operator.core.webhooks.callers import Caller, Webhook
from tests.examples.objects import instance, template
from tests.examples.reviews import UNAVAILABLE, FakeServer, admission, ask, review, stored

WRONG = instance(model_creation_parameters={"MODEL_NAME": 7})
FAULT = "spec.model_creation_parameters.MODEL_NAME: must be a string, got an integer; put it in quotes"
FLUX = "system:serviceaccount:flux-system:kustomize-controller"


@pytest.fixture
def server() -> FakeServer:
    """An API server with the template, which the caches know, too."""
    made = FakeServer()
    made.put(stored(template()))
    return made


async def test_denial_has_everything_that_kubectl_shows(server: FakeServer) -> None:
    response = await ask(admission(server, *server.objects.values()), review(stored(WRONG)))

    assert response["allowed"] is False
    assert response["status"] == {
        "status": "Failure",
        "code": 422,
        "reason": "Invalid",
        "message": f'ModelInstance "minilm" is invalid: {FAULT}',
        "details": {
            "name": "minilm",
            "group": "modeloperator.dev",
            "kind": "ModelInstance",
            "causes": [
                {
                    "field": "spec.model_creation_parameters.MODEL_NAME",
                    "message": FAULT.partition(": ")[2],
                    "reason": "FieldValueTypeInvalid",
                }
            ],
        },
    }


async def test_valid_instance_asks_for_nothing(server: FakeServer) -> None:
    response = await ask(admission(server, *server.objects.values()), review(stored(instance())))

    assert response == {"uid": response["uid"], "allowed": True}
    assert server.asked == []


async def test_instance_of_a_rejected_template_gets_a_warning(server: FakeServer) -> None:
    rejected = stored(template())
    webhooks = admission(server, rejected)
    assert (await ask(webhooks, review(stored(instance())))).get("warnings") is None
    ready = {"type": "Ready", "status": "False", "reason": "PodTemplateRejected", "message": "Rejected."}
    # The template is compiled once for each generation, before its status says anything.
    reported = {**rejected, "status": {"observedGeneration": 1, "conditions": [ready]}}

    response = await ask(admission(server, reported), review(stored(instance())))

    assert response["allowed"] is True
    assert "PodTemplateRejected" in response["warnings"][0]


@pytest.mark.parametrize(
    ("path", "user", "allowed"),
    [
        ("/validate-modelinstance", "alice", False),
        ("/validate-modelinstance", FLUX, True),
        ("/validate-modelinstance/warn", "alice", True),
        ("/validate-modelinstance/deny", FLUX, False),
    ],
)
async def test_path_and_user_decide_on_what_depends_on_the_template(
    server: FakeServer, path: str, user: str, allowed: bool
) -> None:
    webhooks = admission(server, *server.objects.values())

    response = await ask(webhooks, review(stored(WRONG), user=user), path)

    assert response["allowed"] is allowed
    assert response.get("warnings") == ([f"ModelInstance minilm: {FAULT}"] if allowed else None)


MISLABELLED = (
    "Namespace team-a: label modeloperator.dev/admission must be deny or warn, in lower case; any other "
    "value has no effect. Action (cluster administrator): correct the label or remove it."
)


@pytest.mark.parametrize(("user", "allowed"), [("alice", False), (FLUX, True)])
async def test_a_label_of_another_value_has_no_effect_and_is_warned_of(
    server: FakeServer, user: str, allowed: bool
) -> None:
    webhooks = admission(server, *server.objects.values())
    path = "/validate-modelinstance/mislabelled"

    valid = await ask(webhooks, review(stored(instance()), user=user), path)
    wrong = await ask(webhooks, review(stored(WRONG), user=user), path)

    assert (valid["allowed"], valid["warnings"]) == (True, [MISLABELLED])
    assert wrong["allowed"] is allowed
    assert MISLABELLED in wrong["warnings"]


class TestReadingAgain:
    """A denial rests on the template as it is now."""

    async def test_once(self, server: FakeServer) -> None:
        response = await ask(admission(server, *server.objects.values()), review(stored(WRONG)))
        assert response["allowed"] is False
        assert server.asked == ["modeltemplates/team-a/encoder"]

    async def test_template_that_was_corrected_meanwhile(self, server: FakeServer) -> None:
        webhooks = admission(server, *server.objects.values())
        newer = stored(template(), generation=2)
        newer["spec"]["model_creation_parameters_schema"]["properties"]["MODEL_NAME"] = {"type": "integer"}
        server.put(newer)
        assert (await ask(webhooks, review(stored(WRONG))))["allowed"] is True

    async def test_template_that_is_newer_than_the_caches(self, server: FakeServer) -> None:
        assert (await ask(admission(server), review(stored(WRONG))))["allowed"] is False
        assert (await ask(admission(server), review(stored(instance()))))["allowed"] is True

    async def test_template_that_is_gone(self, server: FakeServer) -> None:
        webhooks = admission(server, *server.objects.values())
        server.objects.clear()
        response = await ask(webhooks, review(stored(WRONG)))
        assert response["allowed"] is True
        assert "There is no ModelTemplate" in response["warnings"][0]

    async def test_both_kinds_are_tried(self, server: FakeServer) -> None:
        server.objects.clear()
        server.put(stored(template() | {"kind": "ClusterModelTemplate"}, namespace=""))
        assert (await ask(admission(server), review(stored(WRONG))))["allowed"] is False
        assert server.asked == ["modeltemplates/team-a/encoder", "clustermodeltemplates//encoder"]

    async def test_kind_that_is_asked_for(self, server: FakeServer) -> None:
        obj = stored(instance(model_template_id="other", model_template_kind="ClusterModelTemplate"))
        await ask(admission(server), review(obj))
        assert server.asked == ["clustermodeltemplates//other"]

    @pytest.mark.parametrize("name", ["../../secrets", "a/b", "A", "..", "a?b", "-"])
    async def test_what_is_no_name_is_not_asked_for(self, server: FakeServer, name: str) -> None:
        response = await ask(admission(server), review(stored(instance(model_template_id=name))))
        assert response["allowed"] is True
        assert server.asked == []

    async def test_without_an_answer_nobody_is_denied(self, server: FakeServer) -> None:
        webhooks = admission(server, *server.objects.values())
        server.trouble = UNAVAILABLE
        response = await ask(webhooks, review(stored(WRONG)))
        assert response["allowed"] is True
        assert response["warnings"] == [
            f"ModelInstance minilm: {FAULT}",
            "ModelInstance minilm: the template could not be read again",
        ]

    async def test_without_an_answer_in_time_nobody_is_denied(
        self, server: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(subject, "_READ_SECONDS", 0.01)
        server.is_silent = True
        webhooks = admission(server, *server.objects.values())
        assert (await ask(webhooks, review(stored(WRONG))))["allowed"] is True


class TestWhatIsNotJudged:
    """The write goes on, and nothing is asked for."""

    @pytest.mark.parametrize(
        "asked",
        [
            review(stored(WRONG), stored(WRONG)),
            review(stored(WRONG, deletionTimestamp="2026-01-01T00:00:00Z"), stored(instance())),
            review(stored(WRONG, namespace="kube-system")),
            review(None, stored(WRONG), operation="DELETE"),
            review(stored(template(image="$(parameters.A)")), stored(template(image="$(parameters.A)"))),
        ],
    )
    async def test_allowed(self, server: FakeServer, asked: dict[str, Any]) -> None:
        response = await ask(admission(server, *server.objects.values()), asked)
        assert response == {"uid": response["uid"], "allowed": True}
        assert server.asked == []

    async def test_namespace_of_another_operator(self, server: FakeServer) -> None:
        webhooks = admission(server, *server.objects.values(), namespaces=["team-b"])
        assert (await ask(webhooks, review(stored(WRONG))))["allowed"] is True
        assert (await ask(webhooks, review(stored(template(image="$(parameters.A)")))))["allowed"] is True


class TestTemplates:
    """Templates, and the instances that an edit concerns."""

    async def test_denial(self, server: FakeServer) -> None:
        for kind, namespace in {"ModelTemplate": "team-a", "ClusterModelTemplate": ""}.items():
            obj = stored(template(image="$(parameters.A)") | {"kind": kind}, namespace=namespace)
            response = await ask(admission(server), review(obj, user=FLUX))
            assert response["allowed"] is False
            assert response["status"]["message"].startswith(f'{kind} "encoder" is invalid: spec.')

    async def test_edit_counts_each_instance_of_this_template_once(self, server: FakeServer) -> None:
        old = stored(template())
        new = stored(template(), generation=2)
        new["spec"]["model_creation_parameters_schema"]["properties"]["BATCH_SIZE"]["minimum"] = 100
        given = {"model_creation_parameters": {"MODEL_NAME": "m", "BATCH_SIZE": 8}}
        bound = {
            "status": {
                "template": {
                    "kind": "ModelTemplate",
                    "name": "encoder",
                    "uid": "uid-of-encoder",
                    "generation": 1,
                }
            }
        }
        users = [
            stored(instance("named", **given)),
            stored(instance("bound", **given) | bound),
            stored(instance("by-uid", **given | {"model_template_id": "uid-of-encoder"})),
        ]
        others = [
            stored(instance("fits")),
            stored(instance("elsewhere", **given), namespace="team-b"),
            stored(instance("of-another", **given | {"model_template_id": "other"})),
            stored(instance("leaving", **given), deletionTimestamp="2026-01-01T00:00:00Z"),
            stored(instance("malformed", **given | {"replicas": -1})),
        ]
        response = await ask(admission(server, old, *users, *others), review(new, old))
        assert response["allowed"] is True
        (warning,) = response["warnings"]
        shown = "team-a/bound, team-a/by-uid, team-a/named; running workers are not changed"
        assert warning == f"ModelTemplate encoder: this change makes 3 instances invalid: {shown}"

    async def test_time_for_counting_is_bounded(
        self, server: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(subject, "_IMPACT_SECONDS", 0.0)
        old, new = stored(template()), stored(template(), generation=2)
        new["spec"]["model_creation_parameters_schema"]["required"] = ["MODEL_NAME", "BATCH_SIZE"]
        users = [stored(instance(f"model-{number}")) for number in range(50)]
        (warning,) = (await ask(admission(server, old, *users), review(new, old)))["warnings"]
        assert "this change makes at least 20 instances invalid" in warning


class TestRollouts:
    """Edits that roll out in steps; tests/integration/admission has them word for word."""

    async def test_an_edit_is_compared_with_the_instances(self, server: FakeServer) -> None:
        old, new = stored(template()), stored(template(), generation=2)
        for each, tag in ((old, "v1"), (new, "v2")):
            each["spec"]["rollout"] = {"steps": [{"name": "canary", "labels": {"tier": "canary"}}]}
            each["spec"]["vendor_configuration"]["bundle_config"]["tag"] = tag
        users = [stored(instance(f"model-{number}")) for number in range(3)]
        users.append(stored(instance("canary"), labels={"tier": "canary"}))
        webhooks = admission(server, old, *users, is_storing=True)

        (warning,) = (await ask(webhooks, review(new, old)))["warnings"]

        assert warning == (
            "ModelTemplate encoder: 4 instances get this change in steps, first 1 of 1 in step canary"
        )
        assert server.asked == []

    @pytest.mark.parametrize(
        ("kind", "namespaces", "is_warned"),
        [
            ("ClusterModelTemplate", ["team-a"], True),
            ("ClusterModelTemplate", [], False),
            ("ModelTemplate", ["team-a"], False),
        ],
    )
    async def test_without_revisions_there_are_no_steps(
        self, server: FakeServer, kind: str, namespaces: list[str], *, is_warned: bool
    ) -> None:
        obj = stored(template() | {"kind": kind}, namespace="" if kind.startswith("Cluster") else "team-a")
        obj["spec"]["rollout"] = {"steps": [{"name": "canary", "labels": {"tier": "canary"}}]}
        webhooks = admission(server, namespaces=namespaces, is_storing=True)

        warnings = (await ask(webhooks, review(obj))).get("warnings", [])

        assert [each.split(": ")[1] for each in warnings] == ["spec.rollout"] * is_warned


@pytest.mark.parametrize(
    ("obj", "path"),
    [
        (stored(instance()), "/mutate-modelinstance"),
        (stored(template()), "/mutate-modeltemplate"),
        (stored(template() | {"kind": "ClusterModelTemplate"}, namespace=""), "/mutate-clustermodeltemplate"),
    ],
    ids=lambda each: each if isinstance(each, str) else str(each["kind"]),
)
async def test_creator_is_written(server: FakeServer, obj: dict[str, Any], path: str) -> None:
    response = await ask(admission(server), review(obj), path)

    assert {"op": "add", "path": "/metadata/annotations", "value": {}} in response["patch"]
    assert [
        each["value"] for each in response["patch"] if CREATED_BY_USER.rpartition("/")[2] in each["path"]
    ] == ["alice"]


async def test_creator_is_kept_when_an_object_is_replaced_without_its_uid(server: FakeServer) -> None:
    old = stored(instance(), annotations={CREATED_BY_USER: "alice"})
    without_uid = stored(instance())
    del without_uid["metadata"]["uid"]

    response = await ask(admission(server), review(without_uid, old, user="bob"), "/mutate-modelinstance")

    assert response["patch"][-1]["value"] == "alice"


async def test_defect_of_ours_locks_nobody_out(server: FakeServer) -> None:
    webhooks = admission(server, *server.objects.values())
    server.trouble = RuntimeError("a defect")

    response = await ask(webhooks, review(stored(WRONG)))

    assert response["allowed"] is True
    assert response["warnings"] == ["ModelInstance minilm: not checked, as the operator has a defect"]


SERVER = FakeServer()
WEBHOOKS = admission(SERVER, stored(template()), stored(instance()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    ("apiVersion",),
    ("kind",),
    ("request",),
    *(("request", name) for name in review(stored(instance()))["request"]),
    ("request", "kind", "kind"),
    ("request", "userInfo", "username"),
    *(
        ("request", part, field)
        for part in ("object", "oldObject")
        for field in ("metadata", "spec", "status", "kind")
    ),
    *(("request", "object", "metadata", field) for field in ("name", "namespace", "annotations", "uid")),
    *(
        ("request", "object", "spec", field)
        for field in ("model_template_id", "model_creation_parameters", "deployments", "vendor_configuration")
    ),
]


async def _answered(path: str, body: bytes) -> None:
    """Check that there is an answer, or a word on what is wrong with the question."""
    with suppress(MalformedReviewError):
        answer = json.loads(await WEBHOOKS.reviewers[Webhook(path)].review(body, Caller.AUTHENTICATED))
        assert isinstance(answer["response"]["allowed"], bool)
        assert not any("defect" in warning for warning in answer["response"].get("warnings", []))


@pytest.mark.parametrize("path", WEBHOOKS.reviewers)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
async def test_anything_is_answered(path: str, body: bytes) -> None:
    await _answered(path, body)


@pytest.mark.parametrize("path", WEBHOOKS.reviewers)
@given(st.sampled_from(FIELDS), JSON, st.booleans())
async def test_review_with_anything_in_one_place_is_answered(
    path: str, field: tuple[str, ...], value: Any, update: bool
) -> None:
    kind = "ModelInstance" if path.startswith(("/validate-modelinstance", "/mutate")) else path[10:]
    obj = stored(instance()) if kind == "ModelInstance" else stored(template())
    kinds = {"modeltemplate": "ModelTemplate", "clustermodeltemplate": "ClusterModelTemplate"}
    asked = review(obj, stored(instance()) if update else None, kind=kinds.get(kind, kind))
    asked = json.loads(json.dumps(asked))
    target = asked
    for part in field[:-1]:
        target = target[part] if isinstance(target.get(part), dict) else {}
    target[field[-1]] = value
    await _answered(path, json.dumps(asked).encode())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"apiVersion": "admission.k8s.io/v1beta1"}, "expected an AdmissionReview"),
        ({"request": None}, "request: expected an object"),
        ({"kind": "List"}, "expected an AdmissionReview"),
    ],
)
async def test_what_is_no_review_is_said(change: dict[str, Any], message: str) -> None:
    body = json.dumps(review(stored(instance())) | change).encode()
    with pytest.raises(MalformedReviewError, match=message):
        await WEBHOOKS.reviewers[Webhook.INSTANCE].review(body, Caller.AUTHENTICATED)


async def test_review_of_another_kind_is_refused() -> None:
    body = json.dumps(review(stored(template()))).encode()
    with pytest.raises(
        MalformedReviewError,
        match=r"request\.kind: expected ModelInstance of modeloperator\.dev at this path",
    ):
        await WEBHOOKS.reviewers[Webhook.INSTANCE].review(body, Caller.AUTHENTICATED)
    with pytest.raises(MalformedReviewError, match="expected JSON"):
        await WEBHOOKS.reviewers[Webhook.INSTANCE].review(b"[" * 100_000, Caller.AUTHENTICATED)
