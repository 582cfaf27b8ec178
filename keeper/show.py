"""How the commands print: tables on a terminal, plain lines elsewhere, or JSON."""

import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import click
from eth_utils.crypto import keccak
from rich.console import Console
from rich.table import Table

from keeper.domain.calendar import draw_date
from keeper.domain.consensus import Agreed, Answer, Disagreement, Drawn, Failed, Verdict, Waiting
from keeper.domain.draw import Draw, Game
from keeper.ports import Fetched, RoundInfo, RoundStatus, Standing

ANSWER = ("source", "answer", "number")
VERDICT = {Agreed: "agreed", Waiting: "pending", Disagreement: "differ"}
RAW = 20_000  # bytes of a publisher's answer that are printed
JOURNAL = ("line", "time", "event", "nonce", "what")
ROUND = ("round", "draw", "status", "staked", "matched", "number")


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal, else a line a row with tabs. What others wrote is made harmless."""
    clean = [[_harmless(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        drawn = Table(*headers)
        for row in clean:
            drawn.add_row(*row)
        Console(markup=False, highlight=False).print(drawn)
    else:
        for row in clean:
            click.echo("\t".join(row))


def answer_row(answer: Answer) -> tuple[str, ...]:
    """What a source said, under ANSWER."""
    match answer:
        case Drawn(source, draw):
            return source, balls(draw), str(draw.winning_number)
        case Failed(source, kind, why):
            return source, f"failed, {kind}: {why}", ""
        case _:
            return answer.source, f"pending: {answer.why}", ""


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


def round_row(game: Game, round_id: int, info: RoundInfo) -> tuple[str, ...]:
    """A round, under ROUND; amounts in coins."""
    number = str(info.winning_number) if info.status is RoundStatus.FINALIZED else ""
    return (
        str(round_id),
        str(draw_date(game, info.draw_time)),
        info.status.name.lower(),
        coins(info.total_staked),
        coins(info.total_matched),
        number,
    )


def journal_row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """A line of a journal, under JOURNAL."""
    match entry:
        case {"event": "intent", "function": function, "hash": tx_hash, "max_fee": fee}:
            what = f"{function} as {tx_hash} for up to {fee / 10**9:g} gwei a gas"
        case {"event": "mined", "hash": tx_hash, "block": block, "status": status}:
            what = f"{tx_hash} in block {block}{'' if status else ', refused by the contract'}"
        case _:
            what = str(entry.get("why", ""))
    seq, at, event, nonce = (entry[name] for name in ("seq", "at", "event", "nonce"))
    return str(seq), utc(at), event, str(nonce), what


def decision(
    round_id: int, info: RoundInfo, standing: Standing, votes: Mapping[str, Draw | None]
) -> list[str]:
    """Who decides a round, what each has reported, and what is proposed."""
    c, ballot = standing.committee, standing.ballot
    lines = [f"round {round_id} is decided by {c.quorum} of {len(votes)} reporters: {info.oracle}"]
    lines.append(f"  in ballot {ballot}; {c.guardian} may veto for {c.dispute_window / 60:g} min")
    for reporter, draw in votes.items():
        said = f"reports {balls(draw)}, n = {draw.winning_number}" if draw else "has not reported"
        lines.append(f"  {reporter} {said}")
    if not standing.finalizable_at:
        return [*lines, "  nothing is proposed"]
    then, since = f"n = {standing.number}", utc(standing.finalizable_at)
    if info.status is RoundStatus.LOCKED:
        return [*lines, f"  {then} is proposed; unless vetoed anyone may finalize it from {since}"]
    return [*lines, f"  {then} was proposed"]


def sentence(verdict: Verdict) -> str:
    """What follows from the answers."""
    match verdict:
        case Agreed(draw, sources, dissenting):
            line = f"agreed by {', '.join(sources)}: {balls(draw)}, n = {draw.winning_number}"
            return line + (f"; {', '.join(dissenting)} says otherwise" if dissenting else "")
        case Disagreement(answers):
            return f"no two of {', '.join(a.source for a in answers)} agree"
        case _:
            return f"pending: {', '.join(a.source for a in verdict.missing)} missing"


def draw_json(
    game: Game, date: dt.date, answers: Sequence[Answer], verdict: Verdict
) -> dict[str, Any]:
    """What each source says and what follows."""
    sources = [
        {"source": a.source, "answer": type(a).__name__.lower(), **_values(a)} for a in answers
    ]
    told = {"game": game.name, "date": str(date), "sources": sources}
    return told | {"verdict": VERDICT[type(verdict)], **_values(verdict)}


def _values(told: Answer | Verdict) -> dict[str, Any]:
    match told:
        case Drawn(draw=draw) | Agreed(draw=draw):
            numbers = {"whites": list(draw.whites), "special": draw.special}
            return numbers | {"winningNumber": draw.winning_number}
        case Failed(_, kind, why):
            return {"kind": str(kind), "why": why}
        case Waiting() | Disagreement():
            return {}
        case _:
            return {"why": told.why}


def balls(draw: Draw) -> str:
    """ "10 21 58 61 64 + 17" """
    return f"{' '.join(map(str, draw.whites))} + {draw.special}"


def utc(timestamp: int) -> str:
    """An instant, unix seconds, for people."""
    return dt.datetime.fromtimestamp(timestamp, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def coins(wei: int) -> str:
    """Wei as whole coins, exact."""
    return f"{Decimal(wei) / 10**18:f}"


def _harmless(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
