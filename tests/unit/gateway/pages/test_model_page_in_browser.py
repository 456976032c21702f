"""The page of models in a browser: by keyboard, without JavaScript, with hostile texts, judged by axe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import axe_playwright_python
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from model_operator.api.enums import EndpointProtocol, ModelType
from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.templates.model_apis import apis_of
from tests.fixtures.browser import chromium, in_its_loop
from tests.unit.core.gateway.objects import served_instance
from tests.unit.gateway.pages.page_server import HOSTILE, KEY, Running, running_page

__all__ = ["chromium"]

pytestmark = in_its_loop

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
DEADLINE = 20_000
expect.set_options(timeout=DEADLINE)


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with running_page() as made:
        yield made


@asynccontextmanager
async def opened(
    browser: Browser, running: Running, expects: str = "", **options: Any
) -> AsyncIterator[Page]:
    """Give the page in a window of its own; it loads nothing from elsewhere and reports no other error."""
    context = await browser.new_context(base_url=running.url, **options)
    context.set_default_timeout(DEADLINE)
    page = await context.new_page()
    addresses: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    # The browser reports each answer of 4xx and 5xx as an error, too.
    page.on(
        "console",
        lambda said: (
            wrong.append(said.text)
            if said.type in ("error", "warning") and "Failed to load resource" not in said.text
            else None
        ),
    )
    if options.get("java_script_enabled", True):
        expects_hint = expect(page.get_by_text("needs JavaScript")).to_be_hidden
    else:
        expects_hint = expect(page.get_by_text("needs JavaScript")).to_be_visible
    await page.goto("/")
    await expects_hint()
    yield page
    assert not [each for each in addresses if not each.startswith(f"{running.url}/")]
    assert not [each for each in addresses if KEY in each]
    assert await context.cookies() == []
    assert [each for each in wrong if not expects or expects not in each] == []
    assert not expects or wrong
    await context.close()


async def show(page: Page, key: str = KEY) -> None:
    """Enter a key, and wait for the answer."""
    await page.get_by_label("Key", exact=True).fill(key)
    await page.get_by_role("button", name="Show models").click()
    await expect(page.locator("#found")).to_be_focused()


def typed(model_type: ModelType, name: str, **changed: Any) -> dict[str, Any]:
    apis = [each.value for each in apis_of(model_type, EndpointProtocol.SGP)]
    return served_instance("team-a", name, serving={"model_type": model_type.value, "apis": apis}, **changed)


async def test_by_keyboard_alone_a_prompt_is_answered_as_a_stream(
    chromium: Browser, running: Running
) -> None:
    running.worker.go_on.clear()
    async with opened(chromium, running) as page:
        keyboard = page.keyboard
        await keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the models")).to_be_focused()
        await keyboard.press("Tab")
        await expect(page.get_by_label("Key", exact=True)).to_be_focused()
        await keyboard.type(KEY)
        await keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="1 model", exact=True)).to_be_focused()
        await expect(page.get_by_role("article", name="team-a/qwen")).to_contain_text("Ready")

        await keyboard.press("Tab")
        await expect(page.locator("summary", has_text="Code to call")).to_be_focused()
        await keyboard.press("Tab")
        await expect(page.locator("summary", has_text="Try")).to_be_focused()
        await keyboard.press("Enter")
        await keyboard.press("Tab")
        await expect(page.get_by_label("Prompt")).to_be_focused()
        await keyboard.type("Hello")
        await keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Send")).to_be_focused()
        await keyboard.press("Enter")

        answer = page.get_by_role("group", name="Answer")
        await expect(answer).to_have_text("First. ")
        await expect(page.locator(".spoken")).to_have_text("First.")
        await expect(page.locator(".progress")).to_have_text("The model answers…")
        running.worker.go_on.set()
        await expect(answer).to_have_text("First. Second.")
        await expect(page.locator(".spoken")).to_have_text("Second.")
        await expect(page.locator(".progress")).to_have_text("The answer is complete.")
        await expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    (call,) = running.worker.calls
    assert b'"content":"Hello"' in call.body
    assert call.is_stream


async def test_stop_ends_the_call(chromium: Browser, running: Running) -> None:
    running.worker.go_on.clear()
    async with opened(chromium, running) as page:
        await show(page)
        await page.locator("summary", has_text="Try").click()
        await page.get_by_label("Prompt").fill("Hello")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("group", name="Answer")).to_have_text("First. ")
        await page.get_by_role("button", name="Stop").click()
        await expect(page.locator(".progress")).to_have_text("Stopped.")
        await expect(page.get_by_role("button", name="Send")).to_be_focused()
        await running.worker.left.wait()


@pytest.mark.parametrize("parts", [["First. ", None], []])
async def test_a_stream_that_fails_says_so(
    chromium: Browser, running: Running, parts: list[str | None]
) -> None:
    running.worker.parts = parts
    running.worker.answer_with = (
        {} if parts else Failure(FailureReason.MODEL_NOT_READY, "no worker is ready: ImagePullFailed")
    )
    expected = "it broke" if parts else "503: no worker is ready: ImagePullFailed"
    async with opened(chromium, running) as page:
        await show(page)
        await page.locator("summary", has_text="Try").click()
        await page.get_by_label("Prompt").fill("Hello")
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator(".progress")).to_have_text(f"The call failed. {expected}")


async def test_each_kind_of_model_can_be_tried(chromium: Browser, running: Running) -> None:
    kinds = {
        "complete": ModelType.COMPLETION,
        "embed": ModelType.EMBEDDING,
        "rank": ModelType.RERANKING,
        "any": ModelType.GENERIC,
    }
    for name, model_type in kinds.items():
        running.catalog.put(typed(model_type, name))
    async with opened(chromium, running) as page:
        await show(page)

        async def outcome(name: str, text: str | None, answer: Any) -> str:
            running.worker.answer_with = answer
            entry = page.get_by_role("article", name=f"team-a/{name}")
            await entry.locator("summary", has_text="Try").click()
            if name == "rank":
                await entry.get_by_label("Query").fill("What do dogs do?")
            if text is not None:
                await entry.get_by_role("textbox").last.fill(text)
            await entry.get_by_role("button", name="Send").click()
            await expect(entry.locator(".progress")).to_have_text("The answer is complete.")
            return await entry.locator(".answer").inner_text()

        assert await outcome("complete", "Paris is", {}) == "First. Second."
        vectors = {"data": [{"embedding": [0.5, 1]}, {"embedding": [0.25, 0]}]}
        said = await outcome("embed", "a dog\n\na cat\n", vectors)
        assert said == "2 dimensions: 0.5, 1\n2 dimensions: 0.25, 0"
        ranks = {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]}
        assert (
            await outcome("rank", "Markets fell.\nA puppy.", ranks) == "0.900  A puppy.\n0.100  Markets fell."
        )
        assert '"x": 1' in await outcome("any", None, {"x": 1})
        entry = page.get_by_role("article", name="team-a/any")
        await entry.get_by_label("Request, as JSON").fill('{"stream": true}')
        await entry.get_by_role("button", name="Send").click()
        await expect(entry.locator(".answer")).to_contain_text('"Second."')
        await expect(entry.locator(".progress")).to_have_text("The answer is complete.")
        running.worker.parts = ["First. ", None]
        await entry.get_by_role("button", name="Send").click()
        await expect(entry.locator(".progress")).to_have_text("The call failed. it broke")
        await entry.get_by_label("Request, as JSON").fill("{")
        await entry.get_by_role("button", name="Send").click()
        await expect(entry.locator(".progress")).to_contain_text("The call failed. ")
    bodies = {each.model.name: each.body for each in running.worker.calls}
    assert b'["a dog","a cat"]' in bodies["embed"]
    assert len(running.worker.calls) == 6


async def test_without_javascript_all_but_the_form_to_try_works(chromium: Browser, running: Running) -> None:
    for number in range(30):
        running.catalog.put(served_instance("team-a", f"m{number:02}"))
    async with opened(chromium, running, java_script_enabled=False) as page:
        await page.locator("#token").fill(KEY)
        await page.get_by_role("button", name="Show models").click()
        await expect(page.locator("h2")).to_have_text("31 models, page 1 of 2")
        await expect(page.locator("#token")).to_have_value("")
        await expect(page.locator("details.try").first).to_be_hidden()
        await page.get_by_role("article", name="team-a/m00").locator("summary").first.click()
        await expect(page.get_by_label("Code for openai", exact=True).first).to_contain_text(
            'model="team-a/m00"'
        )

        await page.locator("#token").fill(KEY)
        await page.get_by_role("button", name="Next page").click()
        await expect(page.locator("h2")).to_have_text("31 models, page 2 of 2")
        await page.locator("#token").fill(KEY)
        await page.locator("#q").fill("m07")
        await page.keyboard.press("Enter")
        await expect(page.locator("h2")).to_have_text("1 model of 31")
        await page.locator("#token").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("The key was not accepted")
        await expect(page.locator("#q")).to_have_value("m07")


async def test_search_and_pages_keep_the_key_in_memory(chromium: Browser, running: Running) -> None:
    for number in range(30):
        running.catalog.put(served_instance("team-a", f"m{number:02}"))
    async with opened(chromium, running) as page:
        await show(page, "wrong")
        await expect(page.get_by_role("alert")).to_contain_text("The key was not accepted")
        await show(page)
        await expect(page.locator("#found")).to_have_text("31 models, page 1 of 2")
        await page.get_by_role("button", name="Next page").click()
        await expect(page.locator("#found")).to_have_text("31 models, page 2 of 2")
        await page.get_by_label("Search").fill("m07")
        await page.keyboard.press("Enter")
        await expect(page.locator("#found")).to_have_text("1 model of 31")
        assert await page.evaluate("localStorage.length + sessionStorage.length") == 0
        assert page.url == f"{running.url}/"

        running.identity.is_away = True
        await page.keyboard.press("Shift+Tab")
        await page.get_by_role("button", name="Show models").click()
        await expect(page.get_by_role("alert")).to_contain_text("The API server does not respond.")
        running.identity.is_away = False
        await page.get_by_role("button", name="Forget the key").click()
        await expect(page.get_by_label("Key", exact=True)).to_be_focused()
        await expect(page.get_by_label("Key", exact=True)).to_have_value("")
        await expect(page.get_by_role("article")).to_have_count(0)

        await show(page)
        await page.goto("about:blank")
        await page.go_back()
        await expect(page.get_by_label("Key", exact=True)).to_have_value("")
        await expect(page.get_by_role("article")).to_have_count(0)


async def test_code_is_copied_or_else_selected(chromium: Browser, running: Running) -> None:
    async with opened(chromium, running, permissions=["clipboard-read", "clipboard-write"]) as page:
        await show(page)
        await page.locator("summary", has_text="Code to call").click()
        copy = page.get_by_role("button", name="Copy the code for curl")
        await copy.click()
        await expect(copy).to_have_text("Copied")
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(f"curl --no-buffer {running.url}/v1/chat/completions")

        await page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
        await copy.click()
        await expect(copy).to_have_text("Selected")
        assert (await page.evaluate("String(getSelection())")).strip() == copied.strip()


async def test_hostile_texts_run_nothing(chromium: Browser, running: Running) -> None:
    running.worker.parts = [HOSTILE, HOSTILE]
    instance = typed(ModelType.CHAT_COMPLETION, "hostile", ready=False)
    instance["status"]["conditions"][0] |= {"reason": HOSTILE, "message": HOSTILE}
    instance["status"]["template"] = {"kind": HOSTILE, "name": HOSTILE}
    running.catalog.put(instance)
    running.identity.username = HOSTILE
    async with opened(chromium, running) as page:
        await page.get_by_label("Search").fill("<script>")
        await show(page)
        entry = page.get_by_role("article", name="team-a/hostile")
        await expect(entry).to_contain_text("<script>alert('x')</script>")
        await entry.locator("summary", has_text="Try").click()
        await entry.get_by_label("Prompt").fill("Hello")
        await entry.get_by_role("button", name="Send").click()
        await expect(entry.locator(".answer")).to_have_text(HOSTILE * 2)
        assert await page.locator("#results script, #results img").count() == 0


async def test_the_policy_holds_by_itself_where_an_escape_is_missing(
    chromium: Browser, running: Running
) -> None:
    async with opened(chromium, running, expects="Content Security Policy") as page:
        await page.evaluate(
            """() => {
                const made = document.createElement("script");
                made.textContent = "window.ran = true";
                document.body.append(made);
            }"""
        )
        assert await page.evaluate("window.ran === undefined")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(
    chromium: Browser, running: Running, scheme: Literal["light", "dark"]
) -> None:
    for number, model_type in enumerate(ModelType):
        running.catalog.put(typed(model_type, f"m{number}", ready=bool(number % 2)))
    running.catalog.put(served_instance("team-a", "qwen", entries={"a": 1, "b": 2}, ready=False))
    async with opened(chromium, running, color_scheme=scheme, viewport={"width": 320, "height": 640}) as page:
        await page.evaluate(AXE)
        assert await violations(page) == []
        await show(page)
        for each in await page.locator("summary").all():
            await each.click()
        await page.evaluate(
            "document.querySelectorAll('.outcome').forEach((each) => { each.hidden = false; })"
        )
        assert await violations(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") == 320
        await show(page, "wrong")
        assert await violations(page) == []


async def violations(page: Page) -> list[str]:
    """Return what axe finds, each with the first element."""
    found = await page.evaluate("axe.run()")
    assert len(found["passes"]) > 10
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found["violations"]]
