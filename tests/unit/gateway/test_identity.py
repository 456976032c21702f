"""Authentication and authorization of callers, with an API server and clocks of the test's own."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from multidict import CIMultiDict
from structlog.testing import capture_logs

from model_operator.core.gateway.access import CREATE_MODELS, LIST_MODELS, Caller
from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.models import Model
from model_operator.gateway.identity import Identity
from model_operator.gateway.identity_settings import IdentitySettings
from model_operator.gateway.reviews import IdentityEvent
from model_operator.kube.errors import ApiError, error_for
from model_operator.kube.resources import TOKEN_REVIEWS, ResourceKind

OURS = "modeloperator.dev"
API_SERVER = "https://kubernetes.default.svc"


@dataclass
class ApiServer:
    """Knows tokens and permissions; counts what it is asked."""

    tokens: dict[str, str] = field(default_factory=dict)
    of_gateway: set[str] = field(default_factory=set)
    """Tokens that the API server itself does not accept."""
    allowed: set[tuple[str, str, str]] = field(default_factory=set)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    error: ApiError | None = None
    gate: asyncio.Event | None = None
    at_once: int = 0
    most_at_once: int = 0

    async def review(self, kind: ResourceKind, spec: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((kind.kind, spec))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.at_once -= 1
        if self.error is not None:
            raise self.error
        if kind is TOKEN_REVIEWS:
            return self._user(spec)
        attributes = spec["resourceAttributes"]
        wanted = {
            (spec["user"], attributes["namespace"], attributes["name"]),
            (spec["user"], attributes["namespace"], ""),
            (spec["user"], "", ""),
        }
        return {"allowed": bool(wanted & self.allowed)}

    def _user(self, spec: dict[str, Any]) -> dict[str, Any]:
        name = self.tokens.get(spec["token"])
        if name is None or (spec["token"] in self.of_gateway and "audiences" not in spec):
            return {"authenticated": False, "error": "invalid bearer token"}
        user = {"username": name, "groups": ["system:authenticated"]}
        return {"authenticated": True, "user": user, "audiences": spec.get("audiences", [API_SERVER])}

    @property
    def counts(self) -> Counter[str]:
        return Counter(kind for kind, _ in self.asked)


@dataclass
class Clock:
    time: float = 1000.0

    def __call__(self) -> float:
        return self.time


@dataclass
class Setup:
    server: ApiServer
    clock: Clock
    identity: Identity
    events: Counter[IdentityEvent]

    def is_quiet(self) -> bool:
        return not self.identity._callers._running and not self.identity._decisions._running

    async def calls(self, token: str, namespace: str = "a", name: str = "m") -> bool:
        """Return whether a call is allowed."""
        return await self.identity.may_execute(await self.authenticate(token), namespace, name)

    async def authenticate(self, token: str) -> Caller:
        return await self.identity.authenticate(bearer(token))

    async def reason(self, token: str) -> FailureReason | None:
        try:
            await self.calls(token)
        except Failure as failure:
            return failure.reason
        return None


Make = Callable[..., Setup]


@pytest.fixture
def make() -> Make:
    def setup(**settings: Any) -> Setup:
        server, clock, events = ApiServer(), Clock(), Counter[IdentityEvent]()
        server.tokens["good"] = "ann"
        server.allowed.add(("ann", "a", "m"))

        def observe(event: IdentityEvent) -> None:
            events[event] += 1

        identity = Identity(server, IdentitySettings(**settings), clock, lambda: clock.time, observe)
        return Setup(server, clock, identity, events)

    return setup


def bearer(token: str) -> CIMultiDict[str]:
    return CIMultiDict({"authorization": f"Bearer {token}"})


def jwt(**claims: Any) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2ln"


def unavailable(code: int = 0) -> ApiError:
    return error_for(code or 503, {}, "POST /apis")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- the condition is the product's
            await asyncio.sleep(0)


def model(namespace: str, name: str) -> Model:
    return Model(namespace, name, "1", 0, ())


async def test_one_key_costs_two_reviews_in_ten_seconds(make: Make) -> None:
    setup = make()
    # 1,000 requests a second for a minute, in waves of 100 at once.
    for _ in range(600):
        assert all(await asyncio.gather(*(setup.calls("good") for _ in range(100))))
        setup.clock.time += 0.1
    assert setup.server.counts == {"TokenReview": 6, "SubjectAccessReview": 6}


async def test_a_denial_is_kept_as_long(make: Make) -> None:
    setup = make()
    for _ in range(100):
        assert await setup.reason("bad") is FailureReason.UNAUTHENTICATED
        assert not await setup.calls("good", "a", "other")
        setup.clock.time += 0.1
    # Sums of 0.1 may be less than ten.
    assert setup.server.counts == {"TokenReview": 2, "SubjectAccessReview": 1}
    setup.clock.time += 1
    setup.server.tokens["bad"] = "ann"
    assert await setup.calls("bad")


async def test_what_is_revoked_ends_within_ten_seconds(make: Make) -> None:
    setup = make()
    assert await setup.calls("good")
    setup.server.allowed.clear()
    setup.clock.time += 10
    assert not await setup.calls("good")
    del setup.server.tokens["good"]
    setup.clock.time += 10
    assert await setup.reason("good") is FailureReason.UNAUTHENTICATED


async def test_a_client_that_leaves_does_not_end_the_review_of_others(make: Make) -> None:
    setup = make()
    setup.server.gate = asyncio.Event()
    first, second = asyncio.create_task(setup.calls("good")), asyncio.create_task(setup.calls("good"))
    await until(lambda: bool(setup.server.asked))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert first.cancelled()
    setup.server.gate.set()
    assert await second
    assert setup.server.counts == {"TokenReview": 1, "SubjectAccessReview": 1}


async def test_an_answer_counts_though_all_clients_have_left(make: Make) -> None:
    setup = make()
    setup.server.gate = asyncio.Event()
    alone = asyncio.create_task(setup.authenticate("good"))
    await until(lambda: bool(setup.server.asked))
    alone.cancel()
    await asyncio.gather(alone, return_exceptions=True)
    setup.server.gate.set()
    await until(setup.is_quiet)
    await setup.authenticate("good")
    assert setup.server.counts == {"TokenReview": 1}


async def test_an_error_is_not_kept(make: Make) -> None:
    setup = make()
    setup.server.error = unavailable()
    assert await setup.reason("good") is FailureReason.AUTHENTICATION_UNAVAILABLE
    setup.server.error = None
    assert await setup.calls("good")


@pytest.mark.parametrize("code", [0, 401, 403, 429, 500, 503])
async def test_without_an_api_server_accepted_keys_go_on_for_five_minutes(make: Make, code: int) -> None:
    setup = make()
    assert await setup.calls("good")
    setup.server.error = unavailable(code)
    for _ in range(299):
        setup.clock.time += 1
        assert await setup.calls("good")
        assert await setup.reason("new") is FailureReason.AUTHENTICATION_UNAVAILABLE
    assert setup.events[IdentityEvent.GRACE] >= 289
    setup.clock.time += 1
    assert await setup.reason("good") is FailureReason.AUTHENTICATION_UNAVAILABLE


async def test_another_model_has_no_grace(make: Make) -> None:
    setup = make()
    assert await setup.calls("good")
    setup.server.error = unavailable()
    with pytest.raises(Failure) as caught:
        await setup.calls("good", "a", "other")
    assert caught.value.reason is FailureReason.AUTHENTICATION_UNAVAILABLE


async def test_grace_ends_with_the_token(make: Make) -> None:
    setup = make()
    token = jwt(exp=1060, aud=OURS)
    setup.server.tokens[token] = "ann"
    assert await setup.calls(token)
    setup.server.error = unavailable()
    setup.clock.time += 59
    assert await setup.calls(token)
    setup.clock.time += 1
    assert await setup.reason(token) is FailureReason.UNAUTHENTICATED


async def test_without_grace_an_outage_refuses(make: Make) -> None:
    setup = make(grace_seconds=0)
    assert await setup.calls("good")
    setup.server.error = unavailable()
    setup.clock.time += 10
    assert await setup.reason("good") is FailureReason.AUTHENTICATION_UNAVAILABLE


async def test_during_an_outage_nobody_with_grace_waits(make: Make) -> None:
    setup = make()
    assert await setup.calls("good")
    setup.clock.time += 10
    setup.server.error = unavailable()
    assert await setup.calls("good")
    # From now on requests hang.
    setup.server.gate = asyncio.Event()
    before = len(setup.server.asked)
    for _ in range(1000):
        async with asyncio.timeout(5):
            assert await setup.calls("good")
        await asyncio.sleep(0)
        setup.clock.time += 0.01
    assert len(setup.server.asked) - before <= 10
    setup.server.error = None
    setup.server.gate.set()
    await until(setup.is_quiet)
    setup.clock.time += 10
    setup.events.clear()
    assert await setup.calls("good")
    assert IdentityEvent.GRACE not in setup.events


async def test_an_api_server_that_hangs_counts_as_an_outage(make: Make) -> None:
    setup = make(timeout_seconds=0.01)
    setup.server.gate = asyncio.Event()
    assert await setup.reason("good") is FailureReason.AUTHENTICATION_UNAVAILABLE


async def test_a_review_that_is_refused_is_no_outage(make: Make) -> None:
    setup = make()
    assert await setup.calls("good")
    setup.server.error = error_for(400, {}, "POST /apis")
    assert await setup.reason("odd") is FailureReason.AUTHENTICATION_UNAVAILABLE
    setup.server.error = None
    setup.server.tokens.clear()
    setup.clock.time += 10
    assert await setup.reason("good") is FailureReason.UNAUTHENTICATED


async def test_an_expired_token_is_not_reviewed(make: Make) -> None:
    setup = make()
    assert await setup.reason(jwt(exp=1000)) is FailureReason.UNAUTHENTICATED
    assert not setup.server.asked


async def test_an_answer_ends_with_the_token(make: Make) -> None:
    setup = make()
    token = jwt(exp=1003)
    setup.server.tokens[token] = "ann"
    assert await setup.calls(token)
    setup.clock.time += 3
    assert await setup.reason(token) is FailureReason.UNAUTHENTICATED
    assert setup.server.counts["TokenReview"] == 1


async def test_unknown_keys_are_limited_and_known_ones_go_on(make: Make) -> None:
    setup = make()
    assert await setup.calls("good")
    reasons = Counter([await setup.reason(f"noise-{number}") for number in range(200)])
    # The first key took one of the burst of 50.
    assert reasons == {FailureReason.UNAUTHENTICATED: 49, FailureReason.GATEWAY_BUSY: 151}
    setup.clock.time += 10
    setup.server.asked.clear()
    reasons = Counter([await setup.reason(f"noise-{number}") for number in range(200)])
    assert reasons[FailureReason.GATEWAY_BUSY] == 150
    assert await setup.calls("good")
    assert setup.server.counts["TokenReview"] == 51


async def test_many_requests_of_one_unknown_key_are_one_for_the_limit(make: Make) -> None:
    setup = make(unknown_burst=1)
    assert all(await asyncio.gather(*(setup.calls("good") for _ in range(100))))


async def test_what_is_kept_is_bounded(make: Make) -> None:
    setup = make(max_entries=100, unknown_burst=10_000)
    for number in range(1000):
        await setup.reason(f"noise-{number}")
        await setup.calls("good", "a", f"m{number}")
    kept = setup.identity._callers._answers, setup.identity._decisions._answers
    assert [len(each) for each in kept] == [100, 100]
    assert not setup.identity._callers._running


async def test_a_token_that_rotates_is_the_same_caller(make: Make) -> None:
    setup = make()
    setup.server.tokens["rotated"] = "ann"
    assert await setup.calls("good")
    assert await setup.calls("rotated")
    assert setup.server.counts == {"TokenReview": 2, "SubjectAccessReview": 1}


async def test_no_caller_gets_the_decision_of_another(make: Make) -> None:
    setup = make()
    setup.server.tokens["other"] = "bob"
    assert await setup.calls("good")
    assert not await setup.calls("other")


@pytest.mark.parametrize(
    ("audiences", "asked"),
    [([OURS], [OURS]), ([API_SERVER], None), ([API_SERVER, OURS], [OURS]), ("vault", None)],
)
async def test_the_review_asks_for_the_audience_that_the_key_claims(
    make: Make, audiences: Any, asked: list[str] | None
) -> None:
    setup = make()
    await setup.reason(jwt(aud=audiences))
    (_, spec), *_ = setup.server.asked
    assert spec.get("audiences") == asked


async def test_another_audience_may_be_set(make: Make) -> None:
    setup = make(audience="models.example.com")
    await setup.reason(jwt(aud="models.example.com"))
    assert setup.server.asked[0][1]["audiences"] == ["models.example.com"]


async def test_the_key_may_come_as_api_key(make: Make) -> None:
    setup = make()
    assert (await setup.identity.authenticate(CIMultiDict({"X-API-Key": "good"}))).username == "ann"
    with pytest.raises(Failure) as caught:
        await setup.identity.authenticate(CIMultiDict({"X-API-Key": "good", "Authorization": "Bearer bad"}))
    assert caught.value.reason is FailureReason.INVALID_REQUEST


async def test_the_list_has_what_is_allowed_by_name_and_by_namespace(make: Make) -> None:
    setup = make()
    setup.server.allowed |= {("ann", "b", "")}
    models = [model("c", "x"), model("b", "y"), model("a", "m"), model("b", "x"), model("a", "n")]
    caller = await setup.authenticate("good")
    found = await setup.identity.filter(caller, models)
    assert [each.id for each in found] == ["b/y", "a/m", "b/x"]
    # The cluster, namespaces a and b, and the names of a and c.
    assert setup.server.counts["SubjectAccessReview"] == 1 + 2 + 3


async def test_one_review_lists_all_for_whom_may_execute_all(make: Make) -> None:
    setup = make()
    setup.server.allowed = {("ann", "", "")}
    models = [model(f"n{number % 50}", f"m{number}") for number in range(1000)]
    caller = await setup.authenticate("good")
    assert await setup.identity.filter(caller, models) == models
    assert setup.server.counts["SubjectAccessReview"] == 1


async def test_one_model_costs_the_review_that_its_call_needs(make: Make) -> None:
    setup = make()
    caller = await setup.authenticate("good")
    assert await setup.identity.filter(caller, [model("a", "m")])
    assert await setup.calls("good")
    assert setup.server.counts["SubjectAccessReview"] == 1
    assert await setup.identity.filter(caller, []) == []


async def test_lists_ask_eight_at_a_time(make: Make) -> None:
    setup = make()
    models = [model("a", f"m{number}") for number in range(100)]
    caller = await setup.authenticate("good")
    await asyncio.gather(*(setup.identity.filter(caller, models[start:]) for start in range(5)))
    assert setup.server.most_at_once == 8


async def test_long_lists_of_one_caller_ask_once_and_drop_no_decision_of_calls(make: Make) -> None:
    setup = make(max_entries=100)
    assert await setup.calls("good")
    caller = await setup.authenticate("good")
    models = [model("a", f"m{number}") for number in range(90)]
    lists = await asyncio.gather(*(setup.identity.filter(caller, models) for _ in range(20)))
    assert lists == [[]] * 20
    # One of the call, one of the namespace, one of each name.
    assert setup.server.counts["SubjectAccessReview"] == 1 + 1 + 90
    await setup.identity.filter(caller, [model("a", f"n{number}") for number in range(90)])
    assert await setup.calls("good")
    assert setup.server.counts["SubjectAccessReview"] == 1 + 1 + 90 + 90
    assert not setup.identity._turns


async def test_many_lists_of_one_caller_do_not_hold_up_those_of_another(make: Make) -> None:
    setup = make()
    setup.server.tokens["other"] = "bob"
    ann, bob = await setup.authenticate("good"), await setup.authenticate("other")
    many = [[model(f"n{start}", f"m{number}") for number in range(100)] for start in range(20)]
    noise = [asyncio.create_task(setup.identity.filter(ann, models)) for models in many]
    await until(lambda: setup.server.most_at_once == 8)
    await setup.identity.filter(bob, [model("b", f"m{number}") for number in range(20)])
    asked = Counter(spec["user"] for _, spec in setup.server.asked if "user" in spec)
    assert asked["bob"] == 21
    assert asked["ann"] < 200
    await asyncio.gather(*noise)


async def test_a_long_list_lets_other_requests_go_on(make: Make) -> None:
    setup = make()
    caller = await setup.authenticate("good")
    models = [model("a", f"m{number}") for number in range(5000)]
    await setup.identity.filter(caller, models)
    again = asyncio.create_task(setup.identity.filter(caller, models))
    turns = 0
    while not again.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 20
    assert IdentityEvent.FAILED not in setup.events


async def test_a_caller_that_leaves_gives_its_turn_to_the_next(make: Make) -> None:
    setup = make()
    caller = await setup.authenticate("good")
    models = [model("a", f"m{number}") for number in range(20)]
    setup.server.gate = asyncio.Event()
    first, second = (asyncio.create_task(setup.identity.filter(caller, models)) for _ in range(2))
    await until(lambda: len(setup.server.asked) > 1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    setup.server.gate.set()
    assert await second == []
    assert not setup.identity._turns


async def test_a_list_fails_whole_during_an_outage(make: Make) -> None:
    setup = make()
    caller = await setup.authenticate("good")
    setup.server.error = unavailable()
    with pytest.raises(Failure) as caught:
        await setup.identity.filter(caller, [model("a", f"m{number}") for number in range(20)])
    assert caught.value.reason is FailureReason.AUTHENTICATION_UNAVAILABLE


async def test_no_log_has_a_key(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    setup = make()
    with capture_logs() as lines, caplog.at_level(logging.DEBUG):
        for code in (400, 403, 503):
            setup.server.error = error_for(code, {"message": "cannot decode s3cret"}, "POST /apis")
            await setup.reason("s3cret")
        setup.server.error = None
        await setup.reason("s3cret")
    assert [line["log_level"] for line in lines] == ["error", "info"]
    assert "s3cret" not in f"{lines}{caplog.text}"


async def test_closing_ends_what_runs(make: Make) -> None:
    setup = make()
    setup.server.gate = asyncio.Event()
    waiting = asyncio.create_task(setup.authenticate("good"))
    await until(lambda: bool(setup.server.asked))
    await setup.identity.close()
    await asyncio.gather(waiting, return_exceptions=True)
    assert setup.server.at_once == 0


def token_for(*audiences: str) -> str:
    """Return a token that says for whom it is."""
    parts = ({"alg": "none"}, {"aud": list(audiences)})
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return ".".join((*encoded, "signature"))


async def test_a_token_of_the_cluster_is_passed_on(make: Make) -> None:
    setup = make()
    assert (await setup.identity.authenticate_for_cluster(bearer("good")))[1] == "good"
    await setup.authenticate("good")
    assert setup.server.counts["TokenReview"] == 1, "one question for calls and control requests"


async def test_a_key_for_calls_alone_is_refused_for_control_requests(make: Make) -> None:
    setup = make()
    key = token_for(OURS)
    setup.server.tokens[key] = "ann"
    setup.server.of_gateway.add(key)
    await setup.authenticate(key)
    with pytest.raises(Failure) as refused:
        await setup.identity.authenticate_for_cluster(bearer(key))
    assert refused.value.reason is FailureReason.FORBIDDEN
    with pytest.raises(Failure) as unknown:
        await setup.identity.authenticate_for_cluster(bearer(token_for(OURS, "other")))
    assert unknown.value.reason is FailureReason.UNAUTHENTICATED


async def test_a_token_for_both_audiences_is_asked_about_for_each(make: Make) -> None:
    setup = make()
    key = token_for(OURS, API_SERVER)
    setup.server.tokens[key] = "ann"
    assert (await setup.identity.authenticate_for_cluster(bearer(key)))[0].username == "ann"
    await setup.authenticate(key)
    await setup.identity.authenticate_for_cluster(bearer(key))
    audiences = [spec.get("audiences") for kind, spec in setup.server.asked if kind == "TokenReview"]
    assert audiences == [None, [OURS]]


async def test_permissions_for_other_actions_are_kept_apart(make: Make) -> None:
    setup = make()
    caller = await setup.authenticate("good")
    setup.server.allowed.add(("ann", "a", ""))
    assert await setup.identity.may(caller, LIST_MODELS, "a")
    verbs = [spec["resourceAttributes"]["verb"] for kind, spec in setup.server.asked if "Access" in kind]
    assert verbs == ["list"]
    setup.server.allowed.clear()
    assert not await setup.identity.may(caller, CREATE_MODELS, "a"), (
        "the answer for list is not that for create"
    )
    assert await setup.identity.may(caller, LIST_MODELS, "a"), "kept"


async def test_namespaces_are_asked_about_one_by_one_unless_all_are_allowed(make: Make) -> None:
    setup = make()
    caller = await setup.authenticate("good")
    setup.server.allowed |= {("ann", "a", ""), ("ann", "c", "")}
    found = await setup.identity.allowed_namespaces(caller, LIST_MODELS, ["a", "b", "c", "d"])
    assert found == frozenset({"a", "c"})
    assert setup.server.counts["SubjectAccessReview"] == 5
    setup.server.allowed.add(("ann", "", ""))
    setup.clock.time += 60
    assert await setup.identity.allowed_namespaces(caller, LIST_MODELS, ["a", "b", "c", "d"]) is None
