"""A client of the keeper's websocket, as anybody could write one: it shows events as they come."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from demo.stage import DemoFailed
from keeper.domain.calendar import NEW_YORK
from keeper.domain.lines import Prediction


def say(text: str = "") -> None:
    """A line for the reader, at once."""
    print(text, flush=True)


def coins(wei: int) -> str:
    """Rounded for people; what must be exact is told in wei."""
    return f"{wei / 10**18:.4f}"


class Watcher:
    """Follows markets through `/ws`.

    Attributes:
        told: (block, log index) of every event that came, in that order.
        gate: events are shown while it is set.
        ready: set once it has a snapshot: it misses nothing from now on.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        """`names` has those of the bettors by address."""
        self.told: list[tuple[int, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.ready = asyncio.Event()
        self._names = names
        self._games: dict[str, str] = {}

    async def follow(self, url: str, markets: Sequence[str]) -> None:
        """Shows what happens until it is cancelled. Raises DemoFailed when it is sent away."""
        channels = [f"market:{market}" for market in markets]
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/ws") as ws:
            await ws.send_json({"op": "subscribe", "id": 1, "channels": channels})
            async for said in ws:
                if said.type is aiohttp.WSMsgType.TEXT:
                    await self._take(said.json())
        await asyncio.sleep(1)  # a dead keeper is told of better by who looks after it
        raise DemoFailed(f"the keeper ended the websocket with code {ws.close_code}")

    async def _take(self, told: Mapping[str, Any]) -> None:
        match told["type"]:
            case "hello":
                self._games = {m["address"]: m["game"] for m in told["markets"]}
            case "ack" if told["errors"]:
                raise DemoFailed(f"the keeper refuses a subscription: {told['errors']}")
            case "error":
                raise DemoFailed(f"the keeper says on the websocket: {told['message']}")
            case "snapshot":
                open_ = [str(r["id"]) for r in told["data"]["rounds"]]
                self.ready.set()
                say(f"  websocket: {told['data']['game']}, open rounds: {', '.join(open_) or '-'}")
            case "event":
                await self.gate.wait()
                self.told.append((told["blockNumber"], told["logIndex"]))
                at = dt.datetime.fromtimestamp(told["blockTime"], NEW_YORK)
                game = self._games[told["channel"].removeprefix("market:")]
                data = told["data"]
                where = f"{game} {data['roundId']}" if "roundId" in data else game
                say(f"  {at:%a %H:%M:%S}  {where:<16} {self._sentence(told['event'], data)}")

    def _sentence(self, event: str, data: Mapping[str, Any]) -> str:
        who = self._names.get(data.get("user", ""), data.get("user", ""))
        amount = coins(int(data.get("amount", 0)))
        match event:
            case "RoundCreated":
                drawn = dt.datetime.fromtimestamp(data["drawTime"], NEW_YORK)
                return f"open for the draw of {drawn:%Y-%m-%d %H:%M}"
            case "BetPlaced":
                return f"{who} bets {amount} on {Prediction(data['prediction']).name}"
            case "BetMatched":
                return f"  of it matched at once: {coins(int(data['matchedAmount']))}"
            case "RoundLocked":
                return "betting is over"
            case "RoundFinalized":
                return f"the winning number is {data['winningNumber']}"
            case "RoundCancelled":
                return "void: every stake goes back"
            case "WinningsClaimed":
                return f"{who} wins {amount}"
            case "RefundIssued":
                return f"{who} gets back {amount}"
            case "FeesWithdrawn":
                return f"fees withdrawn: {amount}"
        return event
