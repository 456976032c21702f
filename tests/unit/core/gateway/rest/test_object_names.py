"""The name of an object for a text that people chose."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.rest.object_names import object_name

DNS_1035 = re.compile("[a-z]([-a-z0-9]*[a-z0-9])?")
DNS_1123 = re.compile("[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("qwen", "qwen"),
        ("Llama 3.1 (8B)", "llama-3-1-8b"),
        ("sentence-transformers/all-MiniLM-L6-v2", "sentence-transformers-all-minilm-l6-v2"),
        ("sentence-transformers/all-MiniLM-L6-v2/rc1", "sentence-transformers-all-minil-2e497ccc"),
        ("Modèle de l\u2019équipe", "modele-de-lequipe"),
        ("7b-chat", "m-7b-chat"),
        ("  _x_  ", "x"),
        ("ﬁne №1", "fine-no1"),
        ("日本語", None),
        ("!!!", None),
        ("", None),
        ("---", None),
        ("\x00\ud800", None),
    ],
)
def test_a_text_gives_a_name_or_none(text: str, name: str | None) -> None:
    assert object_name(text, 40, starts_with_letter=True) == name


def test_a_name_may_start_with_a_digit_where_it_is_no_name_of_a_service() -> None:
    assert object_name("7b chat", 63, starts_with_letter=False) == "7b-chat"


def test_long_names_that_differ_at_their_end_give_different_names() -> None:
    names = {object_name(f"{'a' * 50}-v{version}", 40, starts_with_letter=True) for version in range(20)}
    assert len(names) == 20


@given(st.text(max_size=80), st.integers(20, 63), st.booleans())
def test_every_name_is_one_of_kubernetes(text: str, longest: int, starts_with_letter: bool) -> None:
    name = object_name(text, longest, starts_with_letter=starts_with_letter)
    if name is not None:
        assert (DNS_1035 if starts_with_letter else DNS_1123).fullmatch(name)
        assert len(name) <= longest
        assert object_name(name, longest, starts_with_letter=starts_with_letter) == name


@given(st.from_regex(DNS_1035, fullmatch=True).filter(lambda name: len(name) <= 40))
def test_a_name_stays_as_it_is(name: str) -> None:
    assert object_name(name, 40, starts_with_letter=True) == name
