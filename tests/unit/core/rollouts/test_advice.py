"""What a template says about its roll-outs and does not get: a warning each, with what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.api import Rollout
from model_operator.core.rollouts.advice import budget_advice, rollout_advice
from model_operator.core.rollouts.policy import policy_of
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.revisions.identity import revision_of
from tests.examples.objects import template

OTHER = "0" * 12
SOME = {"name": "a", "labels": {"a": "b"}}


def compiled(rollout: Any, kind: str = "ModelTemplate", **status: Any) -> CompiledTemplate:
    return parse_template(written(rollout, kind, **status))


def written(rollout: Any, kind: str = "ModelTemplate", **status: Any) -> dict[str, Any]:
    obj = template()
    obj["kind"] = kind
    if kind == "ModelTemplate":
        obj["metadata"]["namespace"] = "team-a"
    obj["spec"]["rollout"] = rollout
    return {**obj, "status": status}


def found(rollout: Any, kind: str = "ModelTemplate", **status: Any) -> list[str]:
    of = compiled(rollout, kind, **status)
    assert of.violations == ()
    return [str(each).removeprefix("spec.rollout.") for each in rollout_advice(of)]


def steps(*given: dict[str, Any], kind: str = "ClusterModelTemplate", **rollout: Any) -> list[str]:
    named = [{"name": f"s{index}", **step} for index, step in enumerate(given)]
    return found({"steps": named, **rollout}, kind)


def test_what_is_right_causes_none() -> None:
    canary = {"name": "canary", "labels": {"tier": "canary"}, "namespaces": ["staging-*", "team-?"]}
    rest = {"name": "rest", "namespaces": ["staging-*"], "needs_approval": True}
    rollout = {"max_unavailable": "20%", "max_failures": 2, "soak_seconds": 0, "steps": [canary, rest]}
    for kind in ("ModelTemplate", "ClusterModelTemplate"):
        own = rollout if kind == "ClusterModelTemplate" else {**rollout, "steps": [canary]}
        assert found(own, kind) == []
        assert found({}, kind) == found({"paused": False}, kind) == []
    unset = parse_template(template())
    assert list(rollout_advice(unset)) == []


def test_a_step_that_selects_all_instances_leaves_none_for_later() -> None:
    (warning,) = steps({"max_unavailable": "100%"})
    assert warning == (
        "steps[0]: step s0 selects all instances, so that none is left for a later step; give it labels or "
        "namespaces to try an edit on some first, or set its fields in rollout itself"
    )
    assert len(steps({"namespaces": ["*"]})) == 1
    # Within a ModelTemplate's own namespace, too.
    assert len(steps({"namespaces": ["team-*"]}, kind="ModelTemplate")) == 1
    assert steps({"labels": {"a": "b"}}) == steps({"namespaces": ["team-*"]}) == []
    # As the last of several it is what the others leave; before others, these are never reached.
    assert steps({"labels": {"a": "b"}}, {}) == []
    (unreached,) = steps({}, {"labels": {"a": "b"}})
    assert unreached.startswith("steps[1]: step s1 is never reached")


def test_a_pause_is_recalled() -> None:
    (warning,) = found({"paused": True})
    assert warning == "paused: is true: until it is removed or false, no instance gets another revision"


def test_the_hash_of_an_approval() -> None:
    waits: Any = {"steps": [{"name": "canary", "labels": {"a": "b"}, "needs_approval": True}]}
    own = revision_of(written(waits)).hash

    assert found({**waits, "approved": own}) == []
    # The approval of what was the latest until this edit ends with it.
    assert found({**waits, "approved": OTHER}, latest_revision=OTHER) == []
    (warning,) = found({**waits, "approved": OTHER}, latest_revision="1" * 12)
    assert warning == (
        f"approved: is not the revision of this specification, {own}, so it approves nothing; to approve "
        f'this one, set it to "{own}"'
    )
    assert found({**waits, "approved": OTHER}) == [warning]


@pytest.mark.parametrize("rollout", [{}, {"steps": [{"name": "canary", "labels": {"a": "b"}}]}])
def test_an_approval_that_no_step_needs(rollout: Any) -> None:
    (warning,) = found({**rollout, "approved": OTHER})
    assert warning == "approved: has no effect, as no step has needs_approval"


@pytest.mark.parametrize(
    ("first", "second", "is_reached"),
    [
        ({}, {}, False),
        ({}, {"labels": {"a": "b"}}, False),
        ({"labels": {"a": "b"}}, {}, True),
        ({"labels": {"a": "b"}}, {"labels": {"a": "b", "c": "d"}}, False),
        ({"labels": {"a": "b", "c": "d"}}, {"labels": {"a": "b"}}, True),
        ({"labels": {"a": "b"}}, {"labels": {"a": "c"}}, True),
        ({"labels": {"a": "b"}}, {"labels": {"a": "b"}, "namespaces": ["x"]}, False),
        ({"namespaces": ["a", "*"]}, {}, False),
        ({"namespaces": ["a*"]}, {}, True),
        ({"namespaces": ["a-*"]}, {"namespaces": ["a-b"]}, False),
        ({"namespaces": ["a-*"]}, {"namespaces": ["a-?"]}, False),
        ({"namespaces": ["a-?"]}, {"namespaces": ["a-*"]}, True),
        ({"namespaces": ["a-?*"]}, {"namespaces": ["a-*"]}, True),
        ({"namespaces": ["a-?"]}, {"namespaces": ["a-b"]}, False),
        ({"namespaces": ["*b"]}, {"namespaces": ["a*"]}, True),
        ({"namespaces": ["*-b", "a"]}, {"namespaces": ["a", "c-b"]}, False),
        ({"namespaces": ["*-b", "a"]}, {"namespaces": ["a", "d"]}, True),
        ({"namespaces": ["a*"]}, {"namespaces": ["ab*c*"]}, False),
    ],
)
def test_a_step_behind_one_that_selects_the_same(first: Any, second: Any, *, is_reached: bool) -> None:
    expected = (
        "steps[1]: step s1 is never reached, as step s0 before it selects all of its instances; move it to "
        "the front, or remove one of the two"
    )
    assert steps(first, second) == ([] if is_reached else [expected])


def test_a_step_in_namespaces_of_which_a_template_has_one() -> None:
    (warning,) = steps({"namespaces": ["staging-*", "prod"]}, {}, kind="ModelTemplate")
    assert warning == (
        "steps[0].namespaces: a ModelTemplate has instances in its own namespace alone, team-a, which is not "
        "among these, so step s0 selects none; correct or remove them, or share it by spec.allowed_namespaces"
    )
    assert steps({"namespaces": ["staging-*", "team-?"], "labels": {"a": "b"}}, kind="ModelTemplate") == []
    # There, two steps that differ by their namespaces are the same.
    (warning,) = steps({"namespaces": ["team-?"]}, {"namespaces": ["*"]}, kind="ModelTemplate")
    assert warning.startswith("steps[1]: step s1 is never reached, as step s0 before it")


@pytest.mark.parametrize(
    ("allowed", "is_shared"),
    [
        ({"from": "Same"}, False),
        ({"from": "All"}, True),
        ({"from": "Selected", "names": ["staging-*"]}, True),
        ({"from": "Selected", "selector": {"matchLabels": {"stage": "canary"}}}, True),
    ],
)
def test_a_template_that_is_shared_has_instances_in_other_namespaces(
    allowed: Any, *, is_shared: bool
) -> None:
    obj = written({"steps": [{"name": "canary", "namespaces": ["staging-*"]}, {"name": "rest"}]})
    obj["spec"]["allowed_namespaces"] = allowed
    template = parse_template(obj)
    assert template.violations == ()
    assert [each.loc for each in rollout_advice(template)] == (
        [] if is_shared else [("spec", "rollout", "steps", 0, "namespaces")]
    )


def test_the_namespace_of_a_file_may_be_unknown() -> None:
    of = compiled({"steps": [{"name": "canary", "namespaces": ["staging-*"]}]})
    assert len(list(rollout_advice(of))) == 1
    assert list(rollout_advice(of, is_placed=False)) == []


def test_a_pattern_that_is_no_name() -> None:
    expected = "matches no namespace, as their names start and end with a letter or digit"
    assert steps({"namespaces": ["-a", "b"]}, {}) == [f"steps[0].namespaces[0]: {expected}"]


@pytest.mark.parametrize(
    ("rollout", "exhausted"),
    [
        ({"max_failures": 1, "max_unavailable": 2}, None),
        ({"max_failures": 2, "max_unavailable": "50%"}, None),
        ({"max_unavailable": 1}, None),
        ({"max_failures": 2, "max_unavailable": 2}, "the roll-out (2 instances)"),
        (
            {"max_failures": 2, "max_unavailable": 2, "steps": [{**SOME, "max_unavailable": 1}]},
            "the roll-out (2 instances) and step a (1 instance)",
        ),
        ({"max_failures": 1, "steps": [{**SOME, "max_unavailable": 1}]}, "step a (1 instance)"),
        (
            {
                "max_failures": 3,
                "max_unavailable": 4,
                "steps": [{"name": "a", "labels": {"a": "b"}}, {"name": "b", "max_unavailable": 2}],
            },
            "step b (2 instances)",
        ),
    ],
)
def test_failures_that_use_up_the_budget_before(rollout: Any, exhausted: str | None) -> None:
    expected = (
        f"max_failures: is not less than max_unavailable of {exhausted}: failed instances use it up, so "
        "fewer failures halt the roll-out there; lower max_failures, or raise max_unavailable"
    )
    assert found(rollout) == ([] if exhausted is None else [expected])


@pytest.mark.parametrize(
    ("members", "exhausted"),
    [
        ((0, 0), None),
        ((29, 9), "step remaining (2 instances) and step stable (1 instance)"),
        ((30, 30), None),
    ],
)
def test_a_percentage_of_few_instances(members: tuple[int, int], exhausted: str | None) -> None:
    advice = [str(each) for each in budget_advice(policy_of(Rollout(max_failures=2)), members)]
    assert [each.partition("max_unavailable of ")[2].partition(":")[0] for each in advice] == (
        [] if exhausted is None else [exhausted]
    )


def test_an_invalid_template_is_corrected_first() -> None:
    obj = written({"paused": True})
    obj["spec"]["vendor_configuration"]["bundle_config"]["image"] = "$(parameters.nowhere)"
    assert list(rollout_advice(parse_template(obj))) == []
