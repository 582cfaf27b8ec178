"""What the descriptions say, applied to what a test's client hears.

That is every message of a websocket, and an answer of the REST API where it is given to `answer`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from jsonschema_rs import Draft7Validator, Draft202012Validator

FILE = Path(__file__).parents[2] / "feed" / "asyncapi.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(FILE.read_text())
MESSAGES: dict[str, dict[str, Any]] = DOCUMENT["components"]["messages"]


def _strict(part: Any) -> Any:
    """Clients pass over fields that they do not know; here what is not described is a fault."""
    if isinstance(part, list):
        return [_strict(item) for item in part]
    if not isinstance(part, dict):
        return part
    closed = {"additionalProperties": False} if part.get("type") == "object" else {}
    if "properties" not in part:
        closed = {}
    return closed | {key: _strict(value) for key, value in part.items()}


_COMPONENTS = _strict(DOCUMENT["components"])


@cache
def validator(name: str) -> Draft7Validator:
    """Of one message, fields that are not described being refused."""
    payload = f"#/components/messages/{name}/payload"
    return Draft7Validator({"$ref": payload, "components": _COMPONENTS})


def check(told: Any) -> None:
    """Raises AssertionError when the server may not say this."""
    kind = told["type"]
    assert kind in MESSAGES, f"{kind} is not described"
    for error in validator(kind).iter_errors(told):
        raise AssertionError(f"{kind} is not as described: {error}")


REST: dict[str, Any] = yaml.safe_load((FILE.parent / "openapi.yaml").read_text())


def answer(schema: str, told: Any) -> None:
    """Raises AssertionError when this is not as feed/openapi.yaml describes the schema."""
    whole = {"$ref": f"#/components/schemas/{schema}", "components": _strict(REST["components"])}
    for error in Draft202012Validator(whole).iter_errors(told):
        raise AssertionError(f"{schema} is not as described: {error}")


class Checked(aiohttp.ClientWebSocketResponse):
    """A client's connection on which all that is heard has to be as described."""

    async def receive(self, *args: Any, **options: Any) -> aiohttp.WSMessage:
        said = await super().receive(*args, **options)
        if said.type is aiohttp.WSMsgType.TEXT:
            check(said.json())
        return said
