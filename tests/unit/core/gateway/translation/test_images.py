"""Images in the chat history of the platform's typed API, for servers of OpenAI's API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.core.gateway.translation.cells import cell

TYPED = cell("platform-chat-completions", "CHAT_COMPLETION", "VLLM")
URL = {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}}
TEXT = {"type": "text", "text": "What is this?"}


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        ("a", "a"),
        ([TEXT, {"text": "Say."}], "What is this?\nSay."),
        ([TEXT, URL], [TEXT, URL]),
        ([{"image_url": {"url": "u"}}], [{"type": "image_url", "image_url": {"url": "u"}}]),
        (
            [
                {
                    "type": "image_data",
                    "image_data": {"data": "AAAA", "media_type": "image/png", "type": "base64"},
                }
            ],
            [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
        ),
    ],
)
def test_content(content: Any, sent: Any) -> None:
    request = {"chat_history": [{"role": "user", "content": content}], "prompt": "p"}
    body = json.loads(TYPED.translation().request(json.dumps(request).encode()).body)
    assert body["messages"][0] == {"role": "user", "content": sent}
