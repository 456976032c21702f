"""Posting Events: repeats, limits, and everything that may be in the way."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from model_operator.controller import events as subject
from model_operator.controller.events import EventRecorder
from model_operator.controller.metrics.instruments import Metrics
from model_operator.core.status.events import Event, EventType, own_ref
from model_operator.kube.client import ApiClient, Object
from model_operator.kube.errors import error_for
from model_operator.kube.resources import ResourceKind
from tests.unit.controller import virtual_clock
from tests.unit.controller.metrics.exposed import values

START = datetime.datetime(2026, 1, 1, 9, tzinfo=datetime.UTC)
TERMINATING = {"message": "no", "details": {"causes": [{"reason": "NamespaceTerminating"}]}}


def event(
    note: str = "so it is", name: str = "demo", namespace: str = "team", reason: str = "Deploying"
) -> Event:
    regarding = own_ref("ModelInstance", {"namespace": namespace, "name": name, "uid": f"uid-{name}"})
    return Event(regarding, EventType.NORMAL, reason, "Reconciling", note)


CREATED = event("Created it.", reason="ChildCreated")


class Server(ApiClient):
    """Keeps Events by name.

    Attributes
    ----------
    refusal
        What is answered to everything, if anything.
    requests
        What was asked: ``create`` or ``patch``, and the count that it told of.
    """

    def __init__(self) -> None:
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.events: dict[str, Object] = {}
        self.requests: list[tuple[str, int]] = []

    async def create(self, kind: ResourceKind, obj: Mapping[str, Any], *, dry_run: bool = False) -> Object:
        del kind, dry_run
        self._ask("create", obj)
        if obj["metadata"]["name"] in self.events:
            raise error_for(409, {"message": "exists"}, "POST")
        self.events[obj["metadata"]["name"]] = dict(obj)
        return dict(obj)

    async def patch(
        self,
        kind: ResourceKind,
        namespace: str,
        name: str,
        patch: Mapping[str, Any],
        resource_version: str | None = None,
    ) -> Object:
        del kind, namespace
        self._ask("patch", patch)
        assert resource_version is None
        assert patch.keys() == {"series"}
        if name not in self.events:
            raise error_for(404, {"message": "gone"}, "PATCH")
        self.events[name] |= patch
        return self.events[name]

    def _ask(self, verb: str, obj: Mapping[str, Any]) -> None:
        self.requests.append((verb, obj.get("series", {}).get("count", 1)))
        if self.refusal is not None:
            raise error_for(*self.refusal, verb)


class Recording:
    """A recorder in virtual time."""

    def __init__(self) -> None:
        self.server = Server()
        self.metrics = Metrics()
        self.is_busy = False
        self.recorder = EventRecorder(self.server, self.metrics, self._now, lambda: self.is_busy)

    def _now(self) -> datetime.datetime:
        return START + datetime.timedelta(seconds=asyncio.get_running_loop().time())

    def play(self, *steps: float | Event | Callable[[], None]) -> None:
        """Record events, let seconds pass and call functions, while the recorder runs."""

        async def main() -> None:
            running = asyncio.create_task(self.recorder.run())
            for step in steps:
                if isinstance(step, Event):
                    self.recorder.record([step])
                elif callable(step):
                    step()
                else:
                    await asyncio.sleep(step)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        virtual_clock.run(main())

    @property
    def counts(self) -> list[int]:
        """How often each Event that is there has happened, by what it says."""
        return [each.get("series", {}).get("count", 1) for each in self.server.events.values()]


@pytest.fixture
def recording() -> Recording:
    return Recording()


def test_each_thing_makes_one_event(recording: Recording) -> None:
    recording.play(event("a"), event("b"), event("a", "other"), 1)
    assert recording.server.requests == [("create", 1)] * 3
    assert recording.counts == [1, 1, 1]
    (first, *_) = recording.server.events.values()
    assert first["eventTime"] == "2026-01-01T09:00:00.000000Z"


def test_while_instances_wait_few_events_are_posted_and_then_the_rest(recording: Recording) -> None:
    posted: list[int] = []

    def be(busy: bool) -> None:
        recording.is_busy = busy
        posted.append(len(recording.server.events))

    everything = [event(str(number), str(number)) for number in range(100)]
    recording.play(partial(be, True), *everything, 5.5, partial(be, False), 1)
    assert 0 < posted[-1] <= 20
    assert len(recording.server.events) == 100


def test_what_waits_about_children_is_told_with_the_state_that_they_led_to(recording: Recording) -> None:
    others = [event(name=f"other-{number}") for number in range(4)]
    recording.is_busy = True
    recording.play(*others, CREATED, event("is ready", reason="RolledOut"), event("y", "y"), 5)
    told = [(each["reason"], each["note"]) for each in recording.server.events.values()]
    assert told == [("Deploying", "so it is")] * 4 + [
        ("RolledOut", "Created it. is ready"),
        ("Deploying", "y"),
    ]


def test_what_was_reported_together_is_not_lost_when_it_happens_again(recording: Recording) -> None:
    both = (CREATED, event("is ready", reason="RolledOut"))
    recording.play(*both, 1, *both, 20)
    told = {each["note"]: each.get("series", {}).get("count", 1) for each in recording.server.events.values()}
    # What is known as one Event stays one that was told once; the second time each has its own.
    assert told == {"Created it. is ready": 1, "Created it.": 1, "is ready": 1}


def test_what_has_been_sent_about_children_is_not_told_again(recording: Recording) -> None:
    recording.play(CREATED, 1, event("is ready", reason="RolledOut"), 1)
    assert [each["note"] for each in recording.server.events.values()] == ["Created it.", "is ready"]


def test_what_may_have_been_sent_stays_as_it_is(recording: Recording) -> None:
    recording.server.refusal = (503, {})
    ready = event("is ready", reason="RolledOut")
    recording.play(CREATED, 1, ready, partial(setattr, recording.server, "refusal", None), 30)
    assert {each["note"] for each in recording.server.events.values()} == {"Created it.", "is ready"}


def test_repeats_make_a_series_that_is_written_every_ten_seconds_at_most(recording: Recording) -> None:
    recording.play(event(), 1, event(), 1, event(), 20, event(), 30)
    assert recording.server.requests == [("create", 1), ("patch", 3), ("patch", 4)]
    (only,) = recording.server.events.values()
    assert only["series"] == {"count": 4, "lastObservedTime": "2026-01-01T09:00:22.000000Z"}


def test_what_happens_again_before_it_is_posted_is_created_as_a_series(recording: Recording) -> None:
    recording.play(event(), event(), 1)
    assert recording.server.requests == [("create", 2)]


def test_the_same_after_a_pause_is_another_event(recording: Recording) -> None:
    recording.play(event(), 361, event(), 1)
    assert recording.counts == [1, 1]


def test_event_that_has_expired_meanwhile_is_written_anew(recording: Recording) -> None:
    recording.play(event(), 1, recording.server.events.clear, event(), 60)
    assert recording.server.requests == [("create", 1), ("patch", 2), ("create", 2)]
    assert recording.counts == [2]


def test_one_object_makes_a_limited_number_of_events(recording: Recording) -> None:
    with capture_logs() as logs:
        recording.play(
            *(event(f"{number}") for number in range(40)), event("x", "other"), 301, event("later"), 1
        )
    assert [each["note"] for each in recording.server.events.values()][24:] == ["24", "x", "later"]
    assert [(entry["event"], entry["count"]) for entry in logs] == [
        ("dropped events beyond the rate limit", 15)
    ]


def test_what_repeats_for_ever_is_written_ever_more_rarely(recording: Recording) -> None:
    recording.play(*(step for _ in range(720) for step in (event(), 10.0)), 700)
    assert recording.counts[0] > 100
    # The burst, and one every five minutes.
    assert len(recording.server.requests) <= 25 + 7200 / 300 + 2


def test_queue_is_bounded_and_drops_the_oldest(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_QUEUED", 10)
    with capture_logs() as logs:
        recording.play(*(event(name=f"demo-{number}") for number in range(25)), 10)
    names = {each["regarding"]["name"] for each in recording.server.events.values()}
    assert names == {f"demo-{number}" for number in range(15, 25)}
    assert [entry["count"] for entry in logs] == [15]


def test_series_are_forgotten(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_REMEMBERED", 10)
    sizes: list[tuple[int, int, int]] = []

    def note() -> None:
        kept = recording.recorder
        sizes.append((len(kept._series), len(kept._buckets), len(kept._waiting)))

    recording.play(*(event(name=f"demo-{number}") for number in range(25)), note, 1, note, 400, note)
    assert sizes == [(10, 10, 25), (10, 10, 0), (0, 0, 0)]


def test_what_happens_again_after_its_series_has_ended_delays_no_other_end(recording: Recording) -> None:
    kept: list[str] = []

    def note() -> None:
        kept.extend(each.note for each in recording.recorder._series)

    # Between the ends of both series and the next sweep, one of the Events happens again.
    recording.play(1, event("a", "a"), 0.1, event("b", "b"), 360.5, event("a", "a"), 5, note)
    assert kept == ["a"]


def test_outage_is_waited_out(recording: Recording) -> None:
    def recover() -> None:
        recording.server.refusal = None

    recording.server.refusal = (503, {})
    recording.play(event(), 45, recover, 15)
    assert len(recording.server.requests) == 6
    assert recording.counts == [1]


def test_long_outage_is_not(recording: Recording) -> None:
    recording.server.refusal = (503, {})
    recording.play(event(), 3600.0 * 24)
    assert len(recording.server.requests) <= 25 + 2
    assert len(recording.recorder._series) == 0


@pytest.mark.parametrize("refusal", [(404, {}), (403, TERMINATING)], ids=["gone", "going"])
def test_namespace_that_goes_is_no_matter(recording: Recording, refusal: tuple[int, dict[str, Any]]) -> None:
    recording.server.refusal = refusal
    with capture_logs() as logs:
        recording.play(event(), 60, event("b"), 60)
    assert recording.server.requests == [("create", 1)] * 2
    assert logs == []


def test_what_became_of_them_is_counted(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_BURST", 3)

    def refuse() -> None:
        recording.server.refusal = (403, {"message": "no"})

    notes = [event(f"note {number}") for number in range(5)]
    recording.play(*notes, 1, event("note 0"), 20, refuse, event("a", "other"), 1, event("b", "other"), 1)

    counts = {("posted",): 3, ("dropped",): 2, ("refused",): 2}
    assert values(recording.metrics.registry, "events_total") == counts


def test_missing_right_is_told_once_and_the_namespace_left_alone_for_a_while(recording: Recording) -> None:
    recording.server.refusal = (403, {"message": "no"})
    with capture_logs() as logs:
        recording.play(
            event("a"), 1, event("b"), 1, event("c", namespace="other"), 1, event("d"), 300, event("e"), 1
        )
    assert len(recording.server.requests) == 3
    assert [(entry["event"], entry["namespace"]) for entry in logs] == [("cannot write events", "team")]


def test_malformed_event_is_told_and_given_up(recording: Recording) -> None:
    recording.server.refusal = (422, {"message": "no"})
    with capture_logs() as logs:
        recording.play(event(), 60)
    assert recording.server.requests == [("create", 1)]
    assert [entry["event"] for entry in logs] == ["cannot write events"]


def test_answer_that_was_lost(recording: Recording) -> None:
    recording.server.refusal = (409, {})
    recording.play(event(), 60)
    assert recording.server.requests == [("create", 1)]


def test_defects_are_in_nobodys_way(recording: Recording) -> None:
    broken: Any = 7
    with capture_logs() as logs:

        async def main() -> None:
            recording.recorder.record(broken)

        virtual_clock.run(main())
    assert [entry["event"] for entry in logs] == ["events lost"]


def test_what_is_left_is_posted_at_the_end(recording: Recording) -> None:
    async def main() -> None:
        recording.recorder.record([event("a"), event("b")])
        await recording.recorder.flush(1)
        recording.recorder.record([event("a")])
        await recording.recorder.flush(1)

    virtual_clock.run(main())
    assert recording.server.requests == [("create", 1), ("create", 1), ("patch", 2)]


def test_the_end_is_not_waited_for_long(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: Any, **__: Any) -> Object:
        await asyncio.sleep(3600)
        return {}

    monkeypatch.setattr(recording.server, "create", hang)

    async def main() -> float:
        recording.recorder.record([event("a"), event("b")])
        await recording.recorder.flush(1)
        return asyncio.get_running_loop().time()

    with capture_logs() as logs:
        assert virtual_clock.run(main()) == pytest.approx(1)
    assert [(entry["event"], entry["count"]) for entry in logs] == [("events not posted before the end", 2)]
