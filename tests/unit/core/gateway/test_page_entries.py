"""What the page of models shows of which models, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.gateway.failures import Failure
from model_operator.core.gateway.model_catalog import model_of
from model_operator.core.gateway.models import Deployment, Model
from model_operator.core.gateway.page_entries import PageQuery, PageState, base_url_of, page_of, read_query
from tests.unit.core.gateway.objects import served_instance

BASE_URL = "https://models.example.com"


def model(name: str = "qwen", *, template: str = "chat", message: str = "", **changed: Any) -> Model:
    instance = served_instance(name=name, **changed)
    instance["status"]["template"] = {"kind": "ClusterModelTemplate", "name": template}
    if message:
        instance["status"]["conditions"][0]["message"] = message
    found = model_of(instance)
    assert found is not None
    return found


def always(_: Deployment) -> bool:
    return True


def never(_: Deployment) -> bool:
    return False


@pytest.mark.parametrize(
    ("ready", "has_worker", "state", "reason"),
    [
        (True, True, PageState.READY, ""),
        (False, True, PageState.ANSWERS, "ImagePullFailed"),
        (False, False, PageState.NOT_READY, "ImagePullFailed"),
        (True, False, PageState.NOT_READY, ""),
    ],
)
def test_the_state_is_what_a_caller_meets(
    ready: bool, has_worker: bool, state: PageState, reason: str
) -> None:
    shown = page_of(PageQuery(), [model(ready=ready)], always if has_worker else never, BASE_URL)
    (entry,) = shown.entries
    assert (entry.state, entry.reason) == (state, reason)
    assert (entry.template_kind, entry.template) == ("ClusterModelTemplate", "chat")
    assert entry.types == ("CHAT_COMPLETION",)
    assert entry.base_urls == (f"{BASE_URL}/v1", BASE_URL)


def test_deployments_are_shown_where_there_are_several() -> None:
    one = model("one", entries={"only": 100})
    two = model("two", entries={"stable": 90, "canary": 10})
    shown = page_of(PageQuery(), [two, one], lambda each: each.entry != "canary", BASE_URL)

    assert shown.entries[0].deployments == ()
    assert [(each.name, each.weight, each.is_ready) for each in shown.entries[1].deployments] == [
        ("team-a/two/stable", 90, True),
        ("team-a/two/canary", 10, False),
    ]


def test_a_long_message_is_cut() -> None:
    shown = page_of(PageQuery(), [model(ready=False, message="x" * 100_000)], never, BASE_URL)
    assert len(shown.entries[0].detail) == 2001


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["bge", "llama", "qwen"]),
        ("QWEN", ["qwen"]),
        ("team-a/", ["bge", "llama", "qwen"]),
        ("embedding", ["bge"]),
        ("vectors", ["bge"]),
        ("not ready", ["llama"]),
        ("imagepull llama", ["llama"]),
        ("qwen llama", []),
    ],
)
def test_a_search_needs_all_words_of_name_type_template_and_state(text: str, names: list[str]) -> None:
    embedding = {"model_type": "EMBEDDING", "apis": ["EXECUTE", "TYPED", "EMBEDDINGS"]}
    models = [model(), model("llama", ready=False), model("bge", template="vectors", serving=embedding)]
    shown = page_of(PageQuery(text), models, lambda each: each.instance != "llama", BASE_URL)
    assert [each.name for each in shown.entries] == [f"team-a/{name}" for name in names]
    assert (shown.found, shown.executable) == (len(names), 3)


def test_pages_hold_each_model_once() -> None:
    models = [model(f"m{number:03}") for number in range(60)]
    pages = [page_of(PageQuery("", number, 25), models, always, BASE_URL) for number in (1, 2, 3)]
    assert [len(each.entries) for each in pages] == [25, 25, 10]
    assert [entry.name for each in pages for entry in each.entries] == [each.id for each in models]
    assert {each.last for each in pages} == {3}


def test_a_page_beyond_the_last_is_the_last() -> None:
    shown = page_of(PageQuery("", 9, 25), [model()], always, BASE_URL)
    assert (shown.number, shown.last, len(shown.entries)) == (1, 1, 1)


def test_no_models_are_one_page() -> None:
    shown = page_of(PageQuery(), [], always, BASE_URL)
    assert (shown.number, shown.last, shown.found, shown.executable) == (1, 1, 0, 0)


def test_a_search_is_read_from_parameters() -> None:
    assert read_query({}) == PageQuery("", 1, 25)
    assert read_query({"q": "a b", "page": "3", "size": "100"}) == PageQuery("a b", 3, 100)
    assert read_query({"page": "", "size": ""}) == PageQuery()


@pytest.mark.parametrize(
    "query",
    [
        {"q": "x" * 201},
        {"page": "0"},
        {"page": "-1"},
        {"page": "two"},
        {"page": "٣"},
        {"page": "9" * 5000},
        {"size": "1000000"},
        {"size": "x"},
    ],
)
def test_a_wrong_parameter_is_named_without_its_value(query: dict[str, str]) -> None:
    with pytest.raises(Failure) as failed:
        read_query(query)
    ((name, value),) = query.items()
    assert str(failed.value).startswith(f"{name}: expected ")
    assert "Action (user): " in str(failed.value)
    assert len(value) < 3 or value not in str(failed.value)


@pytest.mark.parametrize(
    ("scheme", "host", "forwarded", "address"),
    [
        ("http", "127.0.0.1:8080", "", "http://127.0.0.1:8080"),
        ("http", "models.example.com", "https", "https://models.example.com"),
        ("http", "models.example.com", "HTTPS, http", "https://models.example.com"),
        ("https", "[fd00::1]:8443", "", "https://[fd00::1]:8443"),
        ("http", "localhost", "javascript", "http://localhost"),
    ],
)
def test_the_address_is_that_by_which_the_client_came(
    scheme: str, host: str, forwarded: str, address: str
) -> None:
    assert base_url_of(scheme, host, forwarded) == address


@pytest.mark.parametrize("host", ["", "a b", "x/../y", "<script>", 'a"b', "a$(id)", "[", "a:b", "a\n"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(Failure, match=r"Host: expected .* Action \(user\)"):
        base_url_of("http", host)


@pytest.mark.parametrize(
    ("spec", "title"),
    [
        ({}, ""),
        ({"name": "My Writer 2.0"}, "My Writer 2.0"),
        ({"name": "My Writer 2.0", "display_name": "The writer"}, "The writer"),
        ({"display_name": "x" * 256}, "x" * 200 + "…"),
    ],
)
def test_a_model_is_shown_and_found_by_its_name_for_people(spec: dict[str, str], title: str) -> None:
    instance = served_instance()
    instance["spec"] |= spec
    found = model_of(instance)
    assert found is not None
    shown = page_of(PageQuery(title[:9]), [found], always, BASE_URL)
    assert [each.title for each in shown.entries] == [title]
