"""What each channel is told of an event, worked out from views that have taken it already.

The same whatever other events the views took with it, so that every server tells the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import orjson

from feed import views
from feed.protocol import Cursor, message
from keeper.domain.lines import Prediction, matched, opposite
from keeper.ports import ChainEvent
from keeper.projection import MarketView, RoundView

Data = orjson.Fragment | Callable[[], dict[str, Any]]


class Telling(NamedTuple):
    """One message of an event.

    Attributes:
        data: as JSON, or a function that makes it when somebody wants it.
        undone: its data when the event is no more: amounts are those right before it.
    """

    event: str
    data: Data
    undone: Data


class Delta(NamedTuple):
    """One event of the chain as its channels tell it.

    Attributes:
        told: what is the same in every message of it.
        channels: the messages by channel, in the order in which they are told.
    """

    cursor: Cursor
    told: Mapping[str, Any]
    channels: Mapping[str, Sequence[Telling]]

    def frames(self, channel: str, finalized: int | None, since: Cursor | None = None) -> bytes:
        """The messages for one channel, or those of them that come after a cursor.

        `finalized` is the newest block that cannot change.
        """
        final = finalized is not None and self.cursor.block <= finalized
        frames = []
        for part, (event, data, _) in enumerate(self.channels[channel]):
            cursor = self.cursor._replace(part=part)
            if since is None or cursor > since:
                told = {"cursor": str(cursor), **self.told}
                frames.append(
                    message("event", channel=channel, event=event, data=data, final=final, **told)
                )
        return b"".join(frames)

    def undone(self, channel: str, survives: Cursor | None) -> list[Delta]:
        """That the event is no more: its messages, the last first, each as a delta.

        The last of them has the cursor of the block that `survives`, if one is given.
        """
        deltas = []
        for part, telling in reversed([*enumerate(self.channels[channel])]):
            cursor = survives if survives and not part else self.cursor
            told = {**self.told, "cursor": str(cursor), "removed": True}
            deltas.append(
                Delta(self.cursor, told, {channel: [telling._replace(data=telling.undone)]})
            )
        return deltas


class Kept:
    """The last deltas, in the order of the chain, and by channel.

    Attributes:
        all: the oldest first; not to be changed by others.
    """

    def __init__(self, most: int) -> None:
        self.all: deque[Delta] = deque()
        self._of: dict[str, deque[Delta]] = {}
        self._most = most

    def add(self, deltas: Iterable[Delta]) -> bool:
        """Takes new ones; whether old ones had to go for them."""
        for delta in deltas:
            self.all.append(delta)
            for channel in delta.channels:
                self._of.setdefault(channel, deque()).append(delta)
        full = len(self.all) > self._most
        while len(self.all) > self._most:
            for channel in self.all.popleft().channels:
                self._of[channel].popleft()
                self._tidy(channel)
        return full

    def take_back(self, block: int) -> list[Delta]:
        """Gives up those after a block: the newest first."""
        gone = []
        while self.all and self.all[-1].cursor.block > block:
            gone.append(self.all.pop())
            for channel in gone[-1].channels:
                self._of[channel].pop()
                self._tidy(channel)
        return gone

    def newest_first(self, channel: str) -> Iterator[Delta]:
        """Those that a channel was told of."""
        return reversed(self._of.get(channel, ()))

    def any_between(self, after: Cursor, upto: Cursor) -> bool:
        """Whether there is one later than `after` and not later than `upto`."""
        at = bisect_right(self.all, after, key=lambda delta: delta.cursor)
        return at < len(self.all) and self.all[at].cursor <= upto

    def _tidy(self, channel: str) -> None:
        if not self._of[channel]:  # of channels there may be any number
            del self._of[channel]


class _Then:
    """A round as it was right after one of its events: the later ones are undone one by one."""

    def __init__(self, market: str, r: RoundView) -> None:
        self.totals, self.bets = views.lines_of(r.book)
        self._market, self._round, self._book = market, r.id, r.book
        self._counts: dict[str, int] = {}  # how many bets a user had
        self._taken: Counter[tuple[str, int]] = Counter()  # out of a bet later on, wei

    def undo_placed(self, user: str, prediction: Prediction, amount: int) -> dict[str, Any]:
        """What is told of a bet that was just placed."""
        if user not in self._counts:
            self._counts[user] = len(self._book.bets_of(user))
        self._counts[user] -= 1
        after = tuple(self.totals)
        self.totals[prediction] -= amount
        self.bets[prediction] -= 1
        at_once = matched(
            self.totals[prediction], amount, after[prediction], after[opposite(prediction)]
        )
        return {"betIndex": self._counts[user], "matched": str(at_once)}

    def undo_cancelled(self, user: str, index: int, amount: int) -> dict[str, Any]:
        """What is told of a bet of which a part was just taken out."""
        prediction = self._book.bets_of(user)[index].prediction
        self._taken[user, index] += amount
        self.totals[prediction] += amount
        return {"prediction": int(prediction)}

    def grown(self, placed: Prediction, amount: int) -> list[tuple[str, Telling]]:
        """Whose bets are matched more by one that was placed, having been undone already."""
        other = opposite(placed)
        before = min(self.totals[placed], self.totals[other])
        after = min(self.totals[placed] + amount, self.totals[other])
        tellings = []
        for bet in self._book.bets_within(other, before, after):
            stake = bet.amount + self._taken[bet.user, bet.index]
            had, has = (max(0, min(m - bet.offset, stake)) for m in (before, after))
            was, is_ = (views.of_bet(self._market, self._round, bet, stake, m) for m in (had, has))
            grew = Telling("MatchedGrew", views.encoded(is_), views.encoded(was))
            tellings.append((f"user:{bet.user}", grew))
        return tellings


def of_events(events: Sequence[ChainEvent], markets: Iterable[MarketView]) -> list[Delta]:
    """The deltas of these events, the last that the views have taken, in log order."""
    by_address = {market.address: market for market in markets}
    thens: dict[str, _Then] = {}
    deltas = []
    for e in reversed(events):  # the views being ahead of all but the last
        r = None if "roundId" not in e.args else by_address[e.market].rounds[e.args["roundId"]]
        deltas.append(_delta(e, r, thens))
    return deltas[::-1]


def _delta(e: ChainEvent, r: RoundView | None, thens: dict[str, _Then]) -> Delta:
    data, before, names = views.event_data(e), dict[str, Any](), [f"market:{e.market}"]
    others: list[tuple[str, Telling]] = []
    if r:
        names.append(f"round:{e.market}:{r.id}")
    if "user" in e.args:
        names.append(f"user:{e.args['user']}")
    if r and e.name in ("BetPlaced", "BetCancelled"):
        then = thens.get(names[1]) or thens.setdefault(names[1], _Then(e.market, r))
        data |= views.lines_data(then.totals, then.bets)
        user, amount = e.args["user"], e.args["amount"]
        if e.name == "BetPlaced":
            prediction = Prediction(e.args["prediction"])
            data |= then.undo_placed(user, prediction, amount)
            others = then.grown(prediction, amount)
        else:
            data |= then.undo_cancelled(user, e.args["betIndex"], amount)
        before = views.lines_data(then.totals, then.bets)
    elif r and e.name in ("RoundFinalized", "RoundCancelled"):
        for user in r.book.users:
            tell = partial(views.ended_data, data, r.book, user)
            others.append((f"user:{user}", Telling(e.name, tell, tell)))
    tell_all = [Telling(e.name, views.encoded(data), views.encoded(data | before))]
    channels = dict.fromkeys(names, tell_all)
    for channel, telling in others:
        channels[channel] = [*channels.get(channel, ()), telling]
    told = {
        "market": e.market,
        "blockNumber": e.block_number,
        "blockHash": e.block_hash,
        "blockTime": e.timestamp,
        "txHash": e.tx_hash,
        "logIndex": e.log_index,
        "removed": False,
    }
    return Delta(cursor_of(e), told, channels)


def cursor_of(event: ChainEvent) -> Cursor:
    """The event's place in the log."""
    return Cursor(event.block_number, event.log_index, event.block_hash)
