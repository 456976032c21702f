"""The choice of faults is the seed's, and only what can happen to a request does."""

from __future__ import annotations

import pytest

from tests.chaos.faults import ON_WATCHES, Choice, Fault, Request

PATCH = Request("PATCH", "/apis/apps/v1/namespaces/a/deployments/m")
GET = Request("GET", "/apis/apps/v1/namespaces/a/deployments/m")
LIST = Request("GET", "/apis/apps/v1/deployments", is_list=True)
WATCH = Request("GET", "/apis/apps/v1/deployments", is_watch=True)
EVERYTHING = dict.fromkeys(Fault, 1 / len(Fault))


def test_a_request_meets_the_same_in_whatever_order_requests_come() -> None:
    requests = [PATCH, GET, LIST, WATCH]
    there = Choice("seed", EVERYTHING)
    met = {(request, time): there.of(request)[0] for time in range(50) for request in requests}
    back = Choice("seed", EVERYTHING)
    again = {(request, time): back.of(request)[0] for request in reversed(requests) for time in range(50)}
    assert met == again
    assert there.counts == back.counts
    other = Choice("another", EVERYTHING)
    assert met != {(request, time): other.of(request)[0] for time in range(50) for request in requests}


@pytest.mark.parametrize("request_", [PATCH, GET, LIST, WATCH])
def test_only_what_can_happen_to_it_does(request_: Request) -> None:
    choice = Choice("seed", EVERYTHING)
    met = {choice.of(request_)[0] for _ in range(1000)} - {None}
    can = {fault for fault in Fault if request_.meets(fault)}
    assert met == can
    assert (can <= ON_WATCHES) is request_.is_watch
    assert (Fault.REFUSED_409 in can) is (request_.method == "PATCH")
    assert (Fault.EXPIRED_410 in can) is request_.is_list


def test_a_deletion_meets_no_conflict_that_is_none() -> None:
    assert not Request("DELETE", PATCH.path).meets(Fault.REFUSED_409)
    assert Request("DELETE", PATCH.path).meets(Fault.LATE_504_AFTER)


def test_rates_are_kept() -> None:
    choice = Choice("seed", {Fault.CUT: 0.1, Fault.SLOW: 0.3})
    for _ in range(2000):
        choice.of(PATCH)
    assert choice.counts[Fault.CUT] == pytest.approx(200, abs=60)
    assert choice.counts[Fault.SLOW] == pytest.approx(600, abs=90)
