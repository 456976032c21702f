"""The page of the API in a browser: it is shown, sends requests with a key, and loads from its host alone."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from playwright.async_api import Browser, expect

from tests.fixtures.browser import chromium, in_its_loop

if TYPE_CHECKING:
    from tests.cluster.gateway.process import GatewayProcess

__all__ = ["chromium"]

pytestmark = in_its_loop

DEADLINE = 60_000
SUMMARY = "List the models that the caller may call"


async def test_a_request_is_tried_with_a_key(
    chromium: Browser, gateway: GatewayProcess, chat: str, key: str
) -> None:
    context = await chromium.new_context(base_url=gateway.url)
    context.set_default_timeout(DEADLINE)
    expect.set_options(timeout=DEADLINE)
    page = await context.new_page()
    addresses: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    await page.goto("/docs")

    await page.get_by_role("button", name="Authorize").first.click()
    dialog = page.locator(".auth-container", has_text="bearer")
    await dialog.locator("input").fill(key)
    await dialog.get_by_role("button", name="Apply credentials").click()
    await page.locator(".btn-done").first.click()
    operation = page.locator(".opblock", has_text=SUMMARY).first
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response").first
    await expect(answer.locator(".response-col_status")).to_contain_text("200")
    await expect(answer.locator(".highlight-code")).to_contain_text(json.dumps(chat))

    kept = "Object.keys(localStorage).length + Object.keys(sessionStorage).length"
    assert await page.evaluate(kept) == 0
    assert await context.cookies() == []
    assert f"{gateway.url}/v1/models" in addresses
    assert [each for each in addresses if not each.startswith(f"{gateway.url}/")] == []
    assert [each for each in addresses if re.search(r"[?#]", each)] == []
    assert wrong == []  # the policy of the page forbids nothing that it needs
    await context.close()
