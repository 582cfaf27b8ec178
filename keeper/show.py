"""How the commands print: tables on a terminal, plain lines elsewhere, or JSON."""

import datetime as dt
import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import click
from eth_utils.crypto import keccak
from rich.console import Console
from rich.table import Table

from keeper.domain import consensus as c
from keeper.domain.calendar import draw_date
from keeper.domain.consensus import Answer, Verdict
from keeper.domain.draw import Draw, Game
from keeper.ports import Fetched, RoundInfo, RoundStatus, Standing

_VERDICTS = {c.Agreed: "agreed", c.Waiting: "pending", c.Disagreement: "differ"}
RAW = 20_000  # bytes of a publisher's answer that are printed
JOURNAL = ("line", "time", "event", "nonce", "what")
ROUND = ("round", "draw", "status", "staked", "matched", "number")


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on a terminal, else a line a row with tabs. What others wrote is made harmless."""
    clean = [[_harmless(str(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty():
        drawn = Table(*headers)
        for row in clean:
            drawn.add_row(*row)
        Console(markup=False, highlight=False).print(drawn)
    else:
        for row in clean:
            click.echo("\t".join(row))


def answers(given: Sequence[Answer]) -> None:
    """Prints what each source said, and what follows."""
    table(("source", "answer", "number"), map(answer_row, given))
    click.echo(sentence(c.decide(given)))


def answer_row(answer: Answer) -> tuple[str, str, str]:
    """What a source said: its name, what, and the winning number."""
    match answer:
        case c.Drawn(source, draw):
            return source, balls(draw), str(draw.winning_number)
        case c.Failed(source, kind, why):
            return source, f"failed, {kind}: {why}", ""
        case c.Pending(source, why):
            return source, f"pending: {why}", ""


def probed(fetched: Fetched, *, raw: bool) -> None:
    """How a source was asked and what came of it; its body, too, if `raw`."""
    source, said, number = answer_row(fetched.answer)
    body, status = fetched.body, fetched.status or "no answer"
    lines = [
        source,
        f"  asked   {fetched.url} at {utc(fetched.at)}",
        f"  status  {status}, {len(body)} bytes, keccak256 0x{keccak(body).hex()}",
        f"  says    {said}{number and f', n = {number}'}",
    ]
    if raw:
        lines += [f"  | {line}" for line in body[:RAW].decode(errors="replace").splitlines()]
        if more := len(body[RAW:]):
            lines.append(f"  {more} bytes more")
    for line in lines:
        click.echo(_harmless(line))


def round_row(game: Game, round_id: int, info: RoundInfo) -> tuple[object, ...]:
    """A round, under ROUND; amounts in coins."""
    date, status = draw_date(game, info.draw_time), info.status.name.lower()
    number = info.winning_number if info.status is RoundStatus.FINALIZED else ""
    return round_id, date, status, coins(info.total_staked), coins(info.total_matched), number


def journal_row(entry: Mapping[str, Any]) -> tuple[object, ...]:
    """A line of a journal, under JOURNAL."""
    match entry:
        case {"event": "intent", "function": function, "hash": tx_hash, "max_fee": fee}:
            what = f"{function} as {tx_hash} for up to {fee / 10**9:g} gwei a gas"
        case {"event": "mined", "hash": tx_hash, "block": block, "status": status}:
            what = f"{tx_hash} in block {block}{'' if status else ', refused by the contract'}"
        case _:
            what = entry.get("why", "")
    return entry["seq"], utc(entry["at"]), entry["event"], entry["nonce"], what


def decision(info: RoundInfo, standing: Standing, votes: Mapping[str, Draw | None]) -> str:
    """Who decides a round, what each has reported, and what is proposed."""
    who, at = standing.committee, standing.finalizable_at
    veto = f"{who.guardian} may veto for {who.dispute_window / 60:g} min"
    told = f"{who.quorum} of {len(votes)} reporters: {info.oracle}\n"
    told += f"  in ballot {standing.ballot}; {veto}\n"
    for reporter, draw in votes.items():
        told += f"  {reporter} {f'reports {_result(draw)}' if draw else 'has not reported'}\n"
    if not at:
        return told + "  nothing is proposed"
    if info.status is not RoundStatus.LOCKED:
        return told + f"  n = {standing.number} was proposed"
    until = f"unless vetoed anyone may finalize it from {utc(at)}"
    return told + f"  n = {standing.number} is proposed; {until}"


def sentence(verdict: Verdict) -> str:
    """What follows from the answers."""
    match verdict:
        case c.Agreed(draw, sources, dissenting):
            line = f"agreed by {', '.join(sources)}: {_result(draw)}"
            return line + (f"; {', '.join(dissenting)} says otherwise" if dissenting else "")
        case c.Disagreement(answers):
            return f"no two of {', '.join(a.source for a in answers)} agree"
        case c.Waiting(missing):
            return f"pending: {', '.join(a.source for a in missing)} missing"


def draw_json(game: Game, date: dt.date, answers: Sequence[Answer]) -> dict[str, Any]:
    """What each source says and what follows."""
    verdict = c.decide(answers)
    sources = [
        {"source": a.source, "answer": type(a).__name__.lower(), **_values(a)} for a in answers
    ]
    told = {"game": game.name, "date": str(date), "sources": sources}
    return told | {"verdict": _VERDICTS[type(verdict)], **_values(verdict)}


def _values(told: Answer | Verdict) -> dict[str, Any]:
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
