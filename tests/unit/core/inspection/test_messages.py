"""A condition's message is taken apart into what it was made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.reasons.reasons import Actor, Advice, Reason, read_message


@pytest.mark.parametrize("reason", Reason)
@given(detail=st.text(min_size=1))
def test_of_every_reason(reason: Reason, detail: str) -> None:
    expected = reason.value.advice if reason.value.next_step else None

    assert read_message(reason.message(detail)) == (detail, expected)


@given(st.sampled_from([each for each in Actor if each is not Actor.NOBODY]), st.text(min_size=1))
def test_of_another_advice_than_the_reason_has(actor: Actor, detail: str) -> None:
    advice = Advice(actor, "Do this; then that.")

    assert read_message(advice.sentence(detail)) == (detail, advice)


def test_the_advice_is_the_last_one() -> None:
    message = "probe said For the user: go away. For the template owner: Correct it."

    assert read_message(message) == (
        "probe said For the user: go away.",
        Advice(Actor.TEMPLATE_OWNER, "Correct it."),
    )
