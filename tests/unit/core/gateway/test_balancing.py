from __future__ import annotations

import random
from collections import Counter
from contextlib import ExitStack

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from model_operator.core.gateway.balancing import Address, Limits, Slot, Worker, Workers


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def address(number: int, uid: str = "") -> Address:
    return Address(f"10.0.0.{number}", 8000, uid)


def workers(count: int, clock: Clock | None = None, limit: int = 0) -> Workers:
    made = Workers(clock or Clock(), Limits(limit), random.Random(1))
    made.update(address(number) for number in range(count))
    return made


def chosen(of: Workers, *excluded: Worker) -> Worker:
    worker = of.choose(excluded)
    assert worker is not None
    return worker


def test_no_worker_is_chosen_of_none() -> None:
    assert workers(0).choose() is None


def test_ties_spread_evenly() -> None:
    four = workers(4)
    counts = Counter(chosen(four).address for _ in range(400))
    assert set(counts.values()) == {100}


def test_the_least_in_flight_is_chosen() -> None:
    three = workers(3)
    with ExitStack() as stack:
        for _ in range(7):
            stack.enter_context(chosen(three).slot())
        busy = {worker.address: worker.in_flight for worker in three._present}
        assert sorted(busy.values()) == [2, 2, 3]
        assert busy[chosen(three).address] == 2
        assert three.in_flight == 7
    assert three.in_flight == 0


def test_a_new_worker_gets_the_next_requests() -> None:
    two = workers(2)
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(chosen(two).slot())
        two.update(address(number) for number in range(3))
        took = [stack.enter_context(chosen(two).slot()).address for _ in range(3)]
    assert took == [address(2)] * 3


def test_a_worker_that_leaves_finishes_what_it_has() -> None:
    two = workers(2)
    leaving = chosen(two)
    slot = leaving.slot()
    with slot:
        two.update([address(1) if leaving.address == address(0) else address(0)])
        assert all(chosen(two) is not leaving for _ in range(9))
        assert (two.in_flight, leaving.in_flight) == (1, 1)
        two.update(address(number) for number in range(2))
        back = next(worker for worker in two._present if worker.address == leaving.address)
        assert back is not leaving
        assert back.in_flight == 0
    assert (two.in_flight, leaving.in_flight) == (0, 0)


def test_another_pod_with_the_address_is_another_worker() -> None:
    one = Workers(Clock())
    one.update([address(0, "a")])
    first = chosen(one)
    one.update([address(0, "b")])
    assert chosen(one) is not first


def test_ejection_doubles_up_to_thirty_seconds() -> None:
    clock = Clock()
    two = workers(2, clock)
    bad = chosen(two)
    lengths = []
    for _ in range(8):
        two.failed(bad)
        two.failed(bad)  # what began at the same time fails at the same time
        began = clock.time
        while all(chosen(two) is not bad for _ in range(2)):
            clock.time += 0.5
        lengths.append(clock.time - began)
    assert lengths == [1, 2, 4, 8, 16, 30, 30, 30]
    two.succeeded(bad)
    two.failed(bad)
    clock.time += 1
    assert bad in {chosen(two) for _ in range(2)}


def test_one_request_tries_a_worker_that_was_set_aside() -> None:
    clock = Clock()
    two = workers(2, clock)
    bad = chosen(two)
    two.failed(bad)
    clock.time += 1
    with ExitStack() as stack:
        tries = [stack.enter_context(chosen(two).slot()) for _ in range(9)]
        assert tries.count(bad) == 1
        two.succeeded(bad)
        assert [stack.enter_context(chosen(two).slot()) for _ in range(7)] == [bad] * 7


def test_the_last_worker_is_never_set_aside() -> None:
    two = workers(2)
    first, second = chosen(two), chosen(two)
    two.failed(first)
    two.failed(second)
    assert {chosen(two) for _ in range(4)} == {second}
    assert two.ejected == 1
    assert chosen(two, second) is first
    one = workers(1)
    one.failed(chosen(one))
    assert one.choose() is not None


def test_a_new_worker_ends_the_need_of_a_bad_one() -> None:
    clock = Clock()
    one = workers(1, clock)
    bad = chosen(one)
    one.failed(bad)
    one.update([address(0), address(1)])
    clock.time += 1
    one.failed(bad)
    assert all(chosen(one) is not bad for _ in range(5))


def test_many_workers_are_compared_in_pairs() -> None:
    many = workers(200)
    with ExitStack() as stack:
        for _ in range(2000):
            stack.enter_context(chosen(many).slot())
        loads = [worker.in_flight for worker in many._present]
    # The greatest load of two choices is ln ln n / ln 2 above the mean, some 2.4 here; of one choice some 8.
    assert max(loads) <= 14


def test_the_limit_counts_ready_workers() -> None:
    two = workers(2, limit=2)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(chosen(two).slot())
            assert not two.is_full
        stack.enter_context(chosen(two).slot())
        assert two.is_full
        two.update(address(number) for number in range(3))
        assert not two.is_full
        two.update([address(2)])
        assert not two.is_full
    assert not workers(1).is_full


MANY = st.sets(st.integers(0, 200), min_size=65, max_size=90).map(lambda numbers: {*map(address, numbers)})


class Lives(RuleBasedStateMachine):
    """Workers come and leave while requests hold them."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.workers = Workers(self.clock, Limits(3), random.Random(1))
        self.held: list[tuple[Slot, Worker]] = []
        self.ready: set[Address] = set()

    @rule(ready=st.sets(st.builds(address, st.integers(0, 3), st.sampled_from("ab")), max_size=5) | MANY)
    def update(self, ready: set[Address]) -> None:
        self.ready = ready
        self.workers.update(ready)

    @rule(excludes=st.booleans())
    def begin(self, excludes: bool) -> None:
        excluded = [worker for _, worker in self.held] if excludes else []
        worker = self.workers.choose(excluded)
        assert (worker is None) == all(each in excluded for each in self.workers._present)
        if worker is not None:
            assert worker.address in self.ready
            slot = worker.slot()
            slot.__enter__()
            self.held.append((slot, worker))

    @rule(number=st.integers(0, 1000), fails=st.booleans())
    def end(self, number: int, fails: bool) -> None:
        if self.held:
            slot, worker = self.held.pop(number % len(self.held))
            (self.workers.failed if fails else self.workers.succeeded)(worker)
            slot.__exit__(None, None, None)

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.clock.time += seconds

    @invariant()
    def counts_are_true(self) -> None:
        assert self.workers.in_flight == len(self.held)
        counts = Counter(id(worker) for _, worker in self.held)
        assert all(worker.in_flight == counts[id(worker)] for _, worker in self.held)
        present = sum(worker.in_flight for worker in self.workers._present)
        assert self.workers._in_flight_of_present == present


def test_lives() -> None:
    run_state_machine_as_test(Lives, settings=settings(max_examples=40, stateful_step_count=40))
