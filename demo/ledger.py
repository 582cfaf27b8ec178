"""The books of a run: what the chain says of it, held against what must follow from the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demo.plan import COIN, Plan, PlannedRound
from demo.stage import FEE_BPS
from keeper.domain.consensus import Agreed, Answer, Disagreement, Verdict, decide
from keeper.domain.lines import Bet, Book, Prediction, RoundStatus, outcome
from keeper.ports import ChainEvent, RoundInfo
from keeper.show import draw_json

COLUMNS = ("stake", "matched", "winnings", "refund", "net")


@dataclass(frozen=True, slots=True)
class Account:
    """A bettor on the chain, wei. `gas` is what his transactions cost beside their stakes."""

    name: str
    address: str
    before: int
    after: int
    gas: int


@dataclass(frozen=True, slots=True)
class Played:
    """A round on the chain, and what its sources said.

    Attributes:
        matched: by bettor, wei.
        events: of this round, in log order.
    """

    planned: PlannedRound
    market: str
    round_id: int
    info: RoundInfo
    matched: Mapping[str, int]
    events: Sequence[ChainEvent]
    answers: Sequence[Answer]

    @property
    def bets(self) -> list[ChainEvent]:
        """Those events that are bets."""
        return [e for e in self.events if e.name == "BetPlaced"]

    @property
    def verdict(self) -> Verdict:
        """What follows from the answers."""
        return decide(self.answers)

    def sum(self, *names: str, user: str | None = None) -> int:
        """The amounts in all these events, of one bettor's address or of all, wei."""
        return sum(
            e.args["amount"]
            for e in self.events
            if e.name in names and user in (None, e.args.get("user"))
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What the chain says at the end of a run.

    Attributes:
        held: what each market still holds, wei.
        earned: how much more the fee recipient has than before, wei.
    """

    plan: Plan
    rounds: Sequence[Played]
    accounts: Sequence[Account]
    held: Mapping[str, int]
    earned: int

    @property
    def fees(self) -> int:
        """Withdrawn, wei."""
        return sum(r.sum("FeesWithdrawn") for r in self.rounds)

    @property
    def conservation(self) -> int:
        """Stakes less all that was paid, wei: nothing may be left over."""
        paid = ("WinningsClaimed", "RefundIssued", "FeesWithdrawn")
        return sum(r.sum("BetPlaced") - r.sum(*paid) for r in self.rounds)

    def row(self, account: Account) -> dict[str, int]:
        """A bettor's line of the ledger, wei."""
        stake, winnings, refund = (
            sum(r.sum(name, user=account.address) for r in self.rounds)
            for name in ("BetPlaced", "WinningsClaimed", "RefundIssued")
        )
        matched = sum(r.matched[account.name] for r in self.rounds)
        net = winnings + refund - stake
        return dict(zip(COLUMNS, (stake, matched, winnings, refund, net), strict=True))


def model(planned: PlannedRound) -> Book:
    """The round as the rules have it, from the plan alone."""
    book = Book(FEE_BPS)
    for wager in planned.wagers:
        book.place(wager.bettor, wager.prediction, wager.amount)
    book.lock()
    match planned.expected():
        case Agreed(draw):
            book.finalize(draw.winning_number)
        case _:
            book.cancel()
    return book


def outcomes(facts: Facts) -> Counter[str]:
    """How many bets came out how; a bet that is partly matched counts for what it matched too."""
    return Counter(
        word
        for r in facts.rounds
        for book in [model(r.planned)]
        for bet in (b for user in book.users for b in book.bets_of(user))
        for word in _outcomes(book, bet)
    )


def _outcomes(book: Book, bet: Bet) -> Iterator[str]:
    m = book.matched_of(bet)
    if book.winning_number is None:
        yield "void"
    elif m:
        yield outcome(bet.prediction, book.winning_number).value
    if m < bet.amount:
        yield "partly matched" if m else "not matched"


def differences(facts: Facts) -> list[str]:
    """Everything that is not as it must be, a line each."""
    wrong: list[str] = []

    def same(what: str, chain: object, due: object) -> None:
        if chain != due:
            wrong.append(f"{what}: {chain} on the chain, {due} by the rules")

    for r in facts.rounds:
        book, title = model(r.planned), r.planned.title
        same(f"{title}, status", r.info.status.name, book.status.name)
        number = r.info.winning_number if r.info.status is RoundStatus.FINALIZED else None
        same(f"{title}, winning number", number, book.winning_number)
        same(f"{title}, staked", r.info.total_staked, book.staked)
        same(f"{title}, matched", r.info.total_matched, book.total_matched)
        same(f"{title}, fees", r.sum("FeesWithdrawn"), book.fees())
        expected = r.planned.expected()
        told, due = _told(r.verdict), _told(expected)
        if told != due:
            wrong.append(f"{title}: the sources' answers make {told}, the fixtures {due}")
        for a in facts.accounts:
            bets = book.bets_of(a.name)
            payouts = [book.payout(bet) for bet in bets]
            who = f"{title}, {a.name}"
            same(f"{who}, matched", r.matched[a.name], sum(map(book.matched_of, bets)))
            same(
                f"{who}, winnings",
                r.sum("WinningsClaimed", user=a.address),
                sum(w for w, _ in payouts),
            )
            same(
                f"{who}, refund", r.sum("RefundIssued", user=a.address), sum(x for _, x in payouts)
            )
    for a in facts.accounts:
        same(f"{a.name}'s balance", a.after - a.before + a.gas, facts.row(a)["net"])
    for game, wei in facts.held.items():
        same(f"left in the {game} market", wei, 0)
    same("the fee recipient's gain", facts.earned, facts.fees)
    same("conservation", facts.conservation, 0)
    return wrong


def _told(verdict: Verdict) -> str:
    match verdict:
        case Agreed(draw, sources, dissenting):
            against = f", against {', '.join(dissenting)}" if dissenting else ""
            return f"{draw} by {', '.join(sources)}{against}"
        case Disagreement():
            return "no agreement"
        case _:
            return "too few answers"


# ---- for people and for programs


def as_json(facts: Facts) -> dict[str, Any]:
    """The facts of a run; wei as decimal strings."""
    return {
        "seed": facts.plan.seed,
        "rounds": [_round_json(r) for r in facts.rounds],
        "bettors": [
            {"name": a.name, "address": a.address}
            | {key: str(wei) for key, wei in facts.row(a).items()}
            for a in facts.accounts
        ],
        "fees": str(facts.fees),
        "conservation": str(facts.conservation),
        "outcomes": dict(outcomes(facts)),
    }


def _round_json(r: Played) -> dict[str, Any]:
    planned, verdict = r.planned, r.verdict
    names = {e.args["user"]: w.bettor for e, w in zip(r.bets, planned.wagers, strict=True)}
    told = draw_json(planned.game, planned.draw.date, r.answers, verdict)
    finalized = r.info.status is RoundStatus.FINALIZED
    return {
        "whites": list(planned.draw.whites),
        "special": planned.draw.special,
        **told,
        "winningNumber": r.info.winning_number if finalized else None,
        "dissenting": list(verdict.dissenting) if isinstance(verdict, Agreed) else [],
        "market": r.market,
        "roundId": r.round_id,
        "status": r.info.status.name.lower(),
        "feeBps": r.info.fee_bps,
        "staked": str(r.info.total_staked),
        "matched": str(r.info.total_matched),
        "fees": str(r.sum("FeesWithdrawn")),
        "bets": [
            {
                "bettor": names[e.args["user"]],
                "prediction": Prediction(e.args["prediction"]).name,
                "amount": str(e.args["amount"]),
            }
            for e in r.bets
        ],
    }


def table(facts: Facts) -> Iterator[str]:
    """The ledger as lines, coins rounded to a millionth, the sums to the wei."""
    yield f"  {'':<12}" + "".join(f"{name:>15}" for name in COLUMNS)
    sums: Counter[str] = Counter()
    for a in facts.accounts:
        row = facts.row(a)
        sums.update(row)
        yield f"  {a.name:<12}" + "".join(f"{row[name] / COIN:>15.6f}" for name in COLUMNS)
    yield f"  {'all':<12}" + "".join(f"{sums[name] / COIN:>15.6f}" for name in COLUMNS)
    yield ""
    for name, wei in (
        ("staked", sums["stake"]),
        ("paid to bettors", sums["winnings"] + sums["refund"]),
        ("fees", facts.fees),
        ("conservation", facts.conservation),
    ):
        yield f"  {name + ':':<17}{wei} wei"
