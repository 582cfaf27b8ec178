"""The description of the websocket: served, sound, and neither more nor less than what is said."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema_rs import meta

from feed.client import Limits
from feed.protocol import _CODES, Close, parse
from keeper.domain.lines import Prediction
from tests.feed.described import DOCUMENT, FILE, MESSAGES, check, validator
from tests.feed.world import ANN, World, bet, channel, connected, created, serving

ROOT = Path(__file__).parents[2]
SAYS = [m for m in MESSAGES if "op" not in MESSAGES[m]["payload"]["properties"]]
ABI = json.loads((ROOT / "keeper" / "abi" / "P2PLotteryBetting.json").read_text())


def calls(name: str) -> Iterator[str]:
    """The first arguments, where they are plain text, of every call of this function in feed."""
    for path in (ROOT / "feed").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if called and node.func.id == name and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


def refs(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from [part["$ref"]] if "$ref" in part else []
    for item in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from refs(item)


async def test_it_is_served_for_caches_to_keep() -> None:
    async with serving(World()) as session, session.get("/asyncapi.yaml") as response:
        assert await response.read() == FILE.read_bytes()
        assert response.content_type == "application/yaml"
        assert response.headers["Cache-Control"] == "public, max-age=86400"
        again = {"If-None-Match": response.headers["ETag"]}
        async with session.get("/asyncapi.yaml", headers=again) as same:
            assert same.status == 304


def test_every_reference_leads_somewhere_and_every_part_is_used() -> None:
    used = set(refs(DOCUMENT))
    for ref in used:
        found: Any = DOCUMENT
        for step in ref.removeprefix("#/").split("/"):
            found = found[step]
        assert found
    schemas = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert schemas <= used
    payloads = [message["payload"] for message in MESSAGES.values()]
    for schema in (*payloads, *DOCUMENT["components"]["schemas"].values()):
        meta.validate({"$schema": "http://json-schema.org/draft-07/schema#", **schema})


def test_what_is_always_said_is_promised() -> None:
    may_lack = {"ack": {"subscribed", "unsubscribed"}, "error": {"channel"}}
    may_lack |= {name: {"due"} for name in ("RoundFinalized", "RoundCancelled")}
    payloads = {name: MESSAGES[name]["payload"] for name in SAYS}
    for name, schema in (payloads | DOCUMENT["components"]["schemas"]).items():
        lacking = schema.get("properties", {}).keys() - set(schema.get("required", ()))
        assert lacking == may_lack.get(name, set()), name


def test_every_message_belongs_to_who_says_it() -> None:
    (channel_,) = DOCUMENT["channels"].values()
    assert channel_["messages"].keys() == MESSAGES.keys()
    tell, obey = (
        {ref.rpartition("/")[2] for ref in refs(DOCUMENT["operations"][name]["messages"])}
        for name in ("tell", "obey")
    )
    assert (tell, obey) == (set(SAYS), MESSAGES.keys() - set(SAYS))
    assert set(calls("message")) == set(SAYS)


def test_every_code_is_described() -> None:
    (channel_,) = DOCUMENT["channels"].values()
    closes = {close["code"]: close["close"] for close in channel_["x-close-codes"]}
    assert closes == {close.name.lower(): close.value for close in Close}
    codes = MESSAGES["error"]["payload"]["properties"]["code"]["enum"]
    assert set(codes) == {*closes, *_CODES.values(), *calls("Malformed")}
    when = {close["code"]: close["when"] for close in channel_["x-close-codes"]}
    limits = Limits()
    assert f"{limits.connections:,}" in when["too_many_connections"]
    assert f"{limits.per_address} " in when["too_many_from_address"]
    assert f"{limits.channels} " in when["too_many_channels"]
    assert f"{limits.messages_per_second} messages" in when["too_many_messages"]
    assert f"{limits.message_bytes // 1024} KiB" in when["message_too_big"]
    assert f"{limits.first_subscription:.0f} s" in when["no_subscription"]
    said = {close: limits.why(close) for close in Close}
    assert len(set(said.values())) == len(said)
    for close, limit in (
        (Close.TOO_MANY_FROM_ADDRESS, limits.per_address),
        (Close.TOO_MANY_CHANNELS, limits.channels),
        (Close.TOO_MANY_MESSAGES, limits.messages_per_second),
        (Close.MESSAGE_TOO_BIG, limits.message_bytes),
        (Close.NO_SUBSCRIPTION, f"{limits.first_subscription:g} s"),
    ):
        assert f" {limit}" in f" {said[close]}"


def test_how_much_is_kept_for_who_comes_back_is_told() -> None:
    told = " ".join((ROOT / "docs" / "realtime.md").read_text().split())
    limits = Limits()
    kept, at_once = f"{limits.history:,} events", f"{limits.hard_bytes // 2 // 1024} KiB"
    assert f"{kept} are kept, and {at_once} sent at once" in told


def test_every_event_of_a_market_is_described_with_its_values() -> None:
    described = {
        one["properties"]["event"]["const"]: one["properties"]["data"]["$ref"].rpartition("/")[2]
        for one in MESSAGES["event"]["payload"]["oneOf"]
    }
    inputs = {e["name"]: {i["name"] for i in e["inputs"]} for e in ABI if e["type"] == "event"}
    assert described.keys() == inputs.keys() | {"MatchedGrew"}
    schemas = DOCUMENT["components"]["schemas"]
    for name, values in inputs.items():
        schema = schemas[described[name]]
        assert values <= schema["properties"].keys(), name
        assert values <= set(schema.get("required", ())), name


@pytest.mark.parametrize("name", sorted(MESSAGES.keys() - set(SAYS)))
def test_what_a_client_may_say_is_obeyed(name: str) -> None:
    for example in MESSAGES[name]["examples"]:
        validator(name).validate(example["payload"])
        wish = parse(orjson.dumps(example["payload"]))
        assert wish.op == name
        resumed = {wish.since_of(channel) is not None for channel in wish.channels}
        assert resumed <= {"since" in example["payload"]}


async def test_what_is_not_described_would_be_noticed() -> None:
    world = World()
    world.mine(created())
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        world.mine(bet(ANN, Prediction.EVEN, 1))
        event = await client.hear()
    check(event)
    data = event["data"]
    for wrong in (
        event | {"more": 1},
        event | {"event": "BetMoved"},
        event | {"data": data | {"amount": 1}},
        event | {"data": data | {"more": 1}},
        event | {"channel": "market:x"},
        {"type": "hullo"},
        {"type": "error", "id": None, "code": "bad", "message": "", "retryable": False},
        {key: value for key, value in event.items() if key != "logIndex"},
    ):
        with pytest.raises(AssertionError):
            check(wrong)
