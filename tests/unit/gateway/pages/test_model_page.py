"""The page of models: who sees what, how a key comes in, and that nothing of it or of others gets out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import pytest
import structlog
from structlog.testing import capture_logs

from model_operator.gateway.pages.page_assets import page_assets
from tests.unit.core.gateway.objects import served_instance
from tests.unit.gateway.pages.page_server import HOSTILE, KEY, Running, running_page


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with running_page() as made:
        yield made


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


async def test_without_a_key_there_is_a_form_alone(running: Running) -> None:
    status, text, _ = await running.get("/?q=qwen")
    assert status == 200
    assert 'name="token"' in text
    assert 'value="qwen"' in text
    assert "<article" not in text
    assert running.noted == [("GET", "model-page", 200, "", "")]


@pytest.mark.parametrize("header", [{"Authorization": f"Bearer {KEY}"}, {"x-api-key": KEY}])
async def test_a_key_in_a_header_shows_the_models_of_its_caller(
    running: Running, header: dict[str, str]
) -> None:
    status, text, _ = await running.get(**header)
    assert status == 200
    assert "<h2" in text
    assert ">1 model</h2>" in text
    assert "team-a/qwen" in text
    assert "secret" not in text
    assert KEY not in text
    assert running.noted == [("GET", "model-page", 200, "", "alice")]


@pytest.mark.parametrize("end", ["", "\n", " \r\n"])
async def test_a_key_in_the_form_shows_the_same(running: Running, end: str) -> None:
    status, text, _ = await running.post({"token": KEY + end, "q": "qwen", "size": "25"})
    assert status == 200
    assert ">1 model</h2>" in text
    assert KEY not in text


@pytest.mark.parametrize("token", ["wrong", "", "two words", "ä", "x" * 20_000, "\x00"])
async def test_a_key_that_is_wrong_is_401_and_the_form_stays(running: Running, token: str) -> None:
    status, text, headers = await running.post({"token": token, "q": "qwen"})
    assert status == 401
    assert headers["WWW-Authenticate"] == "Bearer"
    assert 'role="alert"' in text
    assert "The key was not accepted" in text
    assert 'name="token"' in text
    assert 'value="qwen"' in text
    assert "<article" not in text
    assert len(token) < 5 or token not in text
    assert running.noted == [("POST", "model-page", 401, "unauthenticated", "")]


async def test_while_the_api_server_is_away_the_page_says_so(running: Running) -> None:
    running.identity.is_away = True
    status, text, headers = await running.post({"token": KEY})
    assert status == 503
    assert headers["Retry-After"]
    assert "The API server does not respond." in text
    assert 'name="token"' in text
    assert running.noted[0][2:] == (503, "authentication_unavailable", "alice")


@pytest.mark.parametrize("headers", [{}, {"Authorization": f"Bearer {KEY}"}, {"Authorization": "Bearer no"}])
async def test_each_answer_is_kept_nowhere_and_loads_nothing_from_elsewhere(
    running: Running, headers: dict[str, str]
) -> None:
    _, text, sent = await running.get(**headers)
    assert sent["Cache-Control"] == "no-store"
    assert sent["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in sent
    policy = dict(each.strip().split(" ", 1) for each in sent["Content-Security-Policy"].split(";"))
    assert policy.pop("default-src") == policy.pop("base-uri") == policy.pop("frame-ancestors") == "'none'"
    assert set(policy.values()) == {"'self'"}
    for tag, attributes in Tags(text).found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert tag != "style"
        for name in ("src", "href", "action"):
            address = attributes.get(name, "/")
            assert address is not None
            assert address.startswith(("/", "#"))
            assert not address.startswith("//")
        if tag == "script":
            assert attributes["src"]


async def test_the_files_of_the_page_may_be_kept_for_ever(running: Running) -> None:
    _, text, _ = await running.get()
    paths = set(re.findall(r'"(/assets/[^"]+)"', text))
    assert len(paths) == 3
    for path in paths:
        status, body, headers = await running.get(path)
        assert status == 200
        assert body
        assert "immutable" in headers["Cache-Control"]
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert (await running.get("/assets/models.css"))[0] == 404
    assert (await running.get("/assets/..%2fmodel_page.py"))[0] == 404


async def test_texts_of_other_users_are_text(running: Running) -> None:
    instance = served_instance("team-a", HOSTILE, ready=False, entries={HOSTILE: 1, "x": 2})
    instance["status"]["conditions"][0] |= {"reason": HOSTILE, "message": HOSTILE}
    instance["status"]["template"] = {"kind": HOSTILE, "name": HOSTILE}
    instance["spec"]["display_name"] = HOSTILE
    schema = {"required": [HOSTILE], "properties": {HOSTILE: {"default": HOSTILE}}}
    properties = {"model_request_parameters": {"properties": {"bindings": schema}}}
    instance["status"]["request_schema"] = {"properties": properties}
    running.catalog.put(instance)
    for api in ("EXECUTE", "CHAT_COMPLETIONS", "EMBEDDINGS", "RERANK", "COMPLETIONS"):
        other = served_instance("team-a", HOSTILE + api, serving={"apis": [api]})
        running.catalog.put(other)
    running.identity.username = HOSTILE

    status, text, _ = await running.get("/?q=%3Cscript%3E", Authorization=f"Bearer {KEY}")
    assert status == 200
    assert text.count("<article") == 6
    tags = Tags(text).found
    assert [attributes.get("src") for tag, attributes in tags if tag == "script"] == [
        page_assets().paths["models.js"]
    ]
    assert not [tag for tag, _ in tags if tag == "img"]
    assert "49" not in re.sub(r"#\d+;|-[0-9a-f]{16}\.", "", text)


async def test_no_key_and_no_search_is_logged(running: Running) -> None:
    structlog.reset_defaults()
    with capture_logs() as logged:
        await running.post({"token": KEY, "q": "a-search"})
        await running.post({"token": "another-key", "q": "a-search"})
        await running.get("/?q=a-search", Authorization=f"Bearer {KEY}")
    said = f"{logged} {running.noted}"
    for word in (KEY, "another-key", "a-search"):
        assert word not in said


@pytest.mark.parametrize("path", ["/?page=x", "/?size=7", f"/?q={'x' * 300}"])
async def test_a_wrong_parameter_is_400(running: Running, path: str) -> None:
    status, text, _ = await running.get(path, Authorization=f"Bearer {KEY}")
    assert status == 400
    assert "expected" in text
    assert 'name="token"' in text


async def test_a_host_that_is_none_is_400(running: Running) -> None:
    status, text, _ = await running.get(Host='a"><script>')
    assert status == 400
    assert "<script>" not in text


async def test_what_is_no_form_is_refused(running: Running) -> None:
    assert (await running.post(b'{"token": "x"}', **{"Content-Type": "application/json"}))[0] == 400
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await running.post(b"token=" + b"x" * 70_000, **form))[0] == 413
    assert (await running.post(b"a=1&" * 100, **form))[0] == 400
    assert (await running.post(b"token=%ff%fe&q=%ff", **form))[0] == 401


async def test_a_body_without_a_length_is_bounded(running: Running) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 8192

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await running.post(parts(), **form))[0] == 413


async def test_other_methods_are_refused(running: Running) -> None:
    async with running.session.request("PUT", "/") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET, HEAD, POST"
    async with running.session.head("/") as response:
        assert (response.status, await response.read()) == (200, b"")


async def test_many_models_come_in_pages(running: Running) -> None:
    for number in range(60):
        running.catalog.put(served_instance("team-a", f"m{number:02}"))
    status, text, _ = await running.post({"token": KEY, "page": "3", "size": "25"})
    assert status == 200
    assert ">61 models, page 3 of 3</h2>" in text
    assert text.count("<article") == 11
    buttons = [attributes.get("value") for tag, attributes in Tags(text).found if tag == "button"]
    assert [each for each in buttons if each] == ["1", "2"]


async def test_links_lead_to_further_pages(running: Running) -> None:
    assert '<a href="/docs">API</a>' in (await running.get())[1]


def test_nothing_moves() -> None:
    assets = page_assets()
    style = assets.pages[assets.paths["models.css"]].body.decode()
    assert not re.search(r"animation|transition|scroll-behavior", style)
