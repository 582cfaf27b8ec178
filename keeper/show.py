"""How the commands print: columns under their headers, or JSON."""

import datetime as dt
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import click
from eth_utils.crypto import keccak

from keeper.domain import consensus as c
from keeper.domain.calendar import draw_date
from keeper.domain.draw import Draw, Game
from keeper.ports import Fetched, RoundInfo, RoundStatus, Standing

_VERDICTS = {c.Agreed: "agreed", c.Waiting: "pending", c.Disagreement: "differ"}
_NOT_SHOWN = frozenset({"seq", "prev", "at", "event", "nonce", "data", "raw"})
RAW = 20_000  # bytes of a publisher's answer that are printed
JOURNAL = ("line", "time", "event", "nonce", "what")
PROBE = ("source", "what", "value")
ROUND = ("round", "draw", "status", "staked", "matched", "number")
DECIDER = ("round", "who", "what")

Row = tuple[object, ...]


def table(headers: Sequence[str], rows: Iterable[Row]) -> None:
    """Prints rows as aligned columns. What others wrote is made harmless to a terminal."""
    cells = [[_harmless(str(cell)) for cell in row] for row in (headers, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        click.echo("  ".join(map(str.ljust, row, widths)).rstrip())


def progress(block: int, newest: int) -> None:
    """How far the chain is read; on a terminal always in the same line."""
    again, end = ("\r", block == newest) if sys.stderr.isatty() else ("", True)
    click.echo(f"{again}block {block} of {newest}", nl=end, err=True)


def answers(given: Sequence[c.Answer]) -> None:
    """Prints what each source said, and what follows."""
    table(("source", "answer", "number"), map(answer_row, given))
    click.echo(sentence(c.decide(given)))


def answer_row(answer: c.Answer) -> tuple[str, str, str]:
    """What a source said: its name, what, and the winning number."""
    if isinstance(answer, c.Drawn):
        return answer.source, balls(answer.draw), str(answer.draw.winning_number)
    what = f"failed, {answer.kind}" if isinstance(answer, c.Failed) else "pending"
    return answer.source, f"{what}: {answer.why}", ""


def probe_rows(fetched: Fetched, *, raw: bool) -> Iterator[Row]:
    """How a source was asked and what came of it, under PROBE; its body, too, if `raw`."""
    source, said, number = answer_row(fetched.answer)
    body, status = fetched.body, fetched.status or "no answer"
    yield source, "asked", f"{fetched.url} at {utc(fetched.at)}"
    yield source, "status", f"{status}, {len(body)} bytes, keccak256 0x{keccak(body).hex()}"
    yield source, "says", said + (number and f", n = {number}")
    if raw:
        for line in body[:RAW].decode(errors="replace").splitlines():
            yield source, "body", line
        if more := len(body[RAW:]):
            yield source, "more", f"{more} bytes"


def round_row(game: Game, round_id: int, info: RoundInfo) -> Row:
    """A round, under ROUND; amounts in coins."""
    date, status = draw_date(game, info.draw_time), info.status.name.lower()
    number = info.winning_number if info.status is RoundStatus.FINALIZED else ""
    return round_id, date, status, coins(info.total_staked), coins(info.total_matched), number


def journal_row(entry: Mapping[str, Any]) -> Row:
    """A line of a journal, under JOURNAL: what it tells by the names that stand there."""
    what = ", ".join(f"{k} {v}" for k, v in entry.items() if k not in _NOT_SHOWN)
    return entry["seq"], utc(entry["at"]), entry["event"], entry["nonce"], what


def committee_rows(oracle: str, standing: Standing, votes: Mapping[str, Draw | None]) -> list[Row]:
    """Who decides a round together and how far they have come, without the round under DECIDER."""
    who, at = standing.committee, standing.finalizable_at
    proposal = f"n = {standing.number} is proposed, final from {utc(at)}"
    ballot = f"{who.quorum} of {len(votes)} reporters, ballot {standing.ballot}"
    return [
        (oracle, f"{ballot}: {proposal if at else 'nothing is proposed'}"),
        (who.guardian, f"may veto for {who.dispute_window / 60:g} min"),
        *((r, f"reports {_result(v)}" if v else "has not reported") for r, v in votes.items()),
    ]


def sentence(verdict: c.Verdict) -> str:
    """What follows from the answers."""
    if isinstance(verdict, c.Agreed):
        others = f"; {', '.join(verdict.dissenting)} says otherwise" if verdict.dissenting else ""
        return f"agreed by {', '.join(verdict.sources)}: {_result(verdict.draw)}{others}"
    if isinstance(verdict, c.Waiting):
        return f"pending: {', '.join(a.source for a in verdict.missing)} missing"
    return f"no two of {', '.join(a.source for a in verdict.answers)} agree"


def draw_json(game: Game, date: dt.date, answers: Sequence[c.Answer]) -> dict[str, Any]:
    """What each source says and what follows."""
    verdict = c.decide(answers)
    said = [{"source": a.source, "answer": type(a).__name__.lower()} | _values(a) for a in answers]
    told = {"game": game.name, "date": str(date), "sources": said}
    return told | {"verdict": _VERDICTS[type(verdict)], **_values(verdict)}


def _values(told: c.Answer | c.Verdict) -> dict[str, Any]:
    """What follows from a draw, or why there is none."""
    if isinstance(told, c.Drawn | c.Agreed):
        return told.draw.plain()
    names = ("kind", "why") if isinstance(told, c.Failed) else ("why",)
    return {name: getattr(told, name) for name in names if hasattr(told, name)}


def balls(draw: Draw) -> str:
    """ "10 21 58 61 64 + 17" """
    return f"{' '.join(map(str, draw.whites))} + {draw.special}"


def _result(draw: Draw) -> str:
    return f"{balls(draw)}, n = {draw.winning_number}"


def utc(timestamp: int) -> str:
    """An instant, unix seconds, for people."""
    return dt.datetime.fromtimestamp(timestamp, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def coins(wei: int) -> str:
    """Wei as whole coins, exact."""
    return f"{Decimal(wei) / 10**18:f}"


def _harmless(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
