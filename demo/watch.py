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


def coins(wei: str | int) -> str:
    """Rounded for people."""
    return f"{int(wei) / 10**18:.4f}"


class Watcher:
    """Follows markets through `/ws`.

    Attributes:
        told: (block, log index) of every event that came, in that order.
        ready: set once there is a snapshot: nothing is missed from now on.
        gate: events are shown while it is set.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        """`names` has the bettors' by address."""
        self.told: list[tuple[int, int]] = []
        self.ready, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self._names = names
        self._games: dict[str, str] = {}
        self._held = ""  # a bet, until it is known whether it was matched

    async def follow(self, url: str, markets: Sequence[str]) -> None:
        """Shows what happens until it is cancelled. Raises DemoFailed when it is sent away."""
        channels = [f"market:{market}" for market in markets]
        try:
            async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/ws") as ws:
                await ws.send_json({"op": "subscribe", "id": 1, "channels": channels})
                async for said in ws:
                    if said.type is aiohttp.WSMsgType.TEXT:
                        await self._take(said.json())
            why = f"was ended with code {ws.close_code}"
        except aiohttp.ClientError as exc:
            why = f"broke: {exc}"
        await asyncio.sleep(1)  # if the keeper died, that is told better by who waits for it
        raise DemoFailed(f"the websocket {why}")

    def flush(self) -> None:
        """Shows what was held back to see what follows."""
        if self._held:
            say(self._held)
        self._held = ""

    async def _take(self, told: Mapping[str, Any]) -> None:
        match told["type"]:
            case "hello":
                self._games = {m["address"]: m["game"] for m in told["markets"]}
            case "ack" if told["errors"]:
                raise DemoFailed(f"the keeper refuses a subscription: {told['errors']}")
            case "error":
                raise DemoFailed(f"the keeper says on the websocket: {told['message']}")
            case "snapshot":
                self.ready.set()
            case "event":
                await self.gate.wait()
                self._show(told, told["data"])
                self.told.append((told["blockNumber"], told["logIndex"]))

    def _show(self, told: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        event = told["event"]
        if event == "BetMatched":
            self._held += f", {coins(data['matchedAmount'])} matched"
            return
        self.flush()
        at = dt.datetime.fromtimestamp(told["blockTime"], NEW_YORK)
        game = self._games[told["channel"].removeprefix("market:")]
        where = f"{game} {data.get('roundId', '')}"
        self._held = f"  {at:%a %H:%M}  {where:<16} {self._sentence(event, data)}"
        if event != "BetPlaced":
            self.flush()

    def _sentence(self, event: str, data: Mapping[str, Any]) -> str:
        who = self._names.get(data.get("user", ""), data.get("user", ""))
        amount = coins(data.get("amount", "0"))
        match event:
            case "RoundCreated":
                drawn = dt.datetime.fromtimestamp(data["drawTime"], NEW_YORK)
                return f"is open, for the draw of {drawn:%Y-%m-%d %H:%M}"
            case "BetPlaced":
                return f"{who} bets {amount} on {Prediction(data['prediction']).name}"
            case "BetCancelled":
                return f"{who} takes back {amount}"
            case "RoundLocked":
                return "is locked"
            case "RoundFinalized":
                return f"has its result: {data['winningNumber']}"
            case "RoundCancelled":
                return "is void: every stake goes back"
            case "WinningsClaimed":
                return f"{who} wins {amount}"
            case "RefundIssued":
                return f"{who} gets back {amount}"
            case "FeesWithdrawn":
                return f"fees sent to their recipient: {amount}"
        return event
