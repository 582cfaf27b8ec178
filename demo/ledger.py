"""The books of a run: what the chain says of it, held against what must follow from the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demo.plan import COIN, Plan, Planned
from keeper.domain.consensus import Agreed, Answer, decide
from keeper.domain.draw import Draw
from keeper.domain.lines import Book, Prediction, RoundStatus, outcome
from keeper.ports import ChainEvent, Committee, RoundInfo
from keeper.show import balls, draw_json, sentence

PROPOSAL = ("winningNumber", "proposedAt", "finalizableAt")  # times in unix seconds UTC
COLUMNS = ("stake", "matched", "winnings", "refund", "net")


@dataclass(frozen=True, slots=True)
class Account:
    """A bettor on the chain, wei. `gas` is what the transactions cost beside the stakes."""

    name: str
    address: str
    before: int
    after: int
    gas: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody claimed by hand, of several rounds of a market in one payment.

    Attributes:
        gained: by `to`, wei.
    """

    name: str
    market: str
    rounds: Sequence[int]
    to: str
    gained: int


@dataclass(frozen=True, slots=True)
class Played:
    """A round on the chain, and what its sources said.

    Attributes:
        matched: by the bettor's name, wei.
        events: of this round, in log order.
        answers: to a keeper that is not lied to.
        votes: by the keeper's name.
        proposal: the committee's, under PROPOSAL, if one stood.
    """

    planned: Planned
    market: str
    id: int
    info: RoundInfo
    matched: Mapping[str, int]
    events: Sequence[ChainEvent]
    answers: Sequence[Answer]
    votes: Mapping[str, Draw | None]
    proposal: Mapping[str, int] | None

    @property
    def number(self) -> int | None:
        """The winning number, if there is one."""
        return self.info.winning_number if self.info.status is RoundStatus.FINALIZED else None

    def sum(self, event: str, user: str | None = None) -> int:
        """The amounts in all events of that name, of one address or of all, wei."""
        found = [e.args for e in self.events if e.name == event]
        return sum(args["amount"] for args in found if user in (None, args.get("user")))

    def staked(self, user: str | None = None) -> int:
        """What was bet and not taken back, wei."""
        return self.sum("BetPlaced", user) - self.sum("BetCancelled", user)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the chain says at the end of a run.

    Attributes:
        held: what each market still holds, by game, wei.
        earned: how much more the fee recipient has than before, wei.
    """

    plan: Plan
    oracle: str
    committee: Committee
    rounds: Sequence[Played]
    accounts: Sequence[Account]
    claim: Claim | None
    held: Mapping[str, int]
    earned: int

    def sum(self, event: str, user: str | None = None) -> int:
        """As of a round, over all rounds."""
        return sum(r.sum(event, user) for r in self.rounds)

    @property
    def conservation(self) -> int:
        """Stakes less all that was paid, wei: nothing may be left over."""
        paid = ("WinningsClaimed", "RefundIssued", "FeesWithdrawn")
        return sum(r.staked() for r in self.rounds) - sum(map(self.sum, paid))

    def row(self, account: Account) -> dict[str, int]:
        """A bettor's line of the ledger under COLUMNS, wei."""
        stake = sum(r.staked(account.address) for r in self.rounds)
        names = ("WinningsClaimed", "RefundIssued")
        winnings, refund = (self.sum(name, account.address) for name in names)
        matched = sum(r.matched[account.name] for r in self.rounds)
        values = (stake, matched, winnings, refund, winnings + refund - stake)
        return dict(zip(COLUMNS, values, strict=True))


def outcomes(plan: Plan) -> Counter[str]:
    """How many bets come out how; one that is partly matched counts for what it matched too."""
    return Counter(word for planned in plan.rounds for word in _outcomes(planned.book()))


def _outcomes(book: Book) -> Iterator[str]:
    for bet in (bet for user in book.users for bet in book.bets_of(user) if bet.amount):
        matched = book.matched_of(bet)
        if book.winning_number is None:
            yield "void"
        elif matched:
            yield outcome(bet.prediction, book.winning_number).value
        if matched < bet.amount:
            yield "partly matched" if matched else "not matched"


def differences(facts: Facts) -> list[str]:
    """Everything that is not as it must be, a line each."""
    compared: list[tuple[str, object, object]] = []
    for r in facts.rounds:
        book, planned, title = r.planned.book(), r.planned, r.planned.title
        compared += [
            (
                f"{title}, sources",
                sentence(decide(r.answers)),
                sentence(planned.verdict(planned.witness)),
            ),
            *(
                (f"{title}, {who}'s vote", _told(r.votes[who]), _told(vote))
                for who, vote in planned.votes.items()
            ),
            (f"{title}, proposal", (r.proposal or {}).get("winningNumber"), book.winning_number),
            (f"{title}, status", r.info.status.name, book.status.name),
            (f"{title}, winning number", r.number, book.winning_number),
            (f"{title}, staked", r.info.total_staked, book.staked),
            (f"{title}, matched", r.info.total_matched, book.total_matched),
            (f"{title}, fees", r.sum("FeesWithdrawn"), book.fees()),
        ]
        for a in facts.accounts:
            bets, who = book.bets_of(a.name), f"{title}, {a.name}"
            winnings, refunds = (sum(book.payout(bet)[i] for bet in bets) for i in (0, 1))
            compared += [
                (f"{who}, staked", r.staked(a.address), sum(bet.amount for bet in bets)),
                (f"{who}, matched", r.matched[a.name], sum(map(book.matched_of, bets))),
                (f"{who}, winnings", r.sum("WinningsClaimed", a.address), winnings),
                (f"{who}, refund", r.sum("RefundIssued", a.address), refunds),
            ]
    for a in facts.accounts:
        gained = a.after - a.before + a.gas
        if facts.claim and facts.claim.name == a.name:
            gained += facts.claim.gained
        compared.append((f"{a.name}'s balance less gas", gained, facts.row(a)["net"]))
    compared += [(f"left in the {game} market", wei, 0) for game, wei in facts.held.items()]
    compared += [("the fee recipient's gain", facts.earned, facts.sum("FeesWithdrawn"))]
    compared += [("conservation", facts.conservation, 0)]
    if facts.plan.claim:
        planned, name = facts.plan.claim
        claimed = (facts.claim.name, facts.claim.gained) if facts.claim else None
        compared += [("the claim", claimed, (name, sum(planned.book().claimable(name))))]
    return [f"{what}: is {found}, must be {due}" for what, found, due in compared if found != due]


def _told(vote: Draw | None) -> str:
    return f"for {balls(vote)}" if vote else "none"


def table(facts: Facts) -> Iterator[str]:
    """The ledger as lines: coins rounded to a millionth, the sums to the wei."""
    rows = {a.name: facts.row(a) for a in facts.accounts}
    rows["all"] = {name: sum(row[name] for row in rows.values()) for name in COLUMNS}
    yield f"  {'':<12}" + "".join(f"{name:>13}" for name in COLUMNS)
    for who, row in rows.items():
        yield f"  {who:<12}" + "".join(f"{row[name] / COIN:>13.6f}" for name in COLUMNS)
    yield ""
    for name, wei in (
        ("staked", rows["all"]["stake"]),
        ("paid", rows["all"]["winnings"] + rows["all"]["refund"]),
        ("fees", facts.sum("FeesWithdrawn")),
        ("conservation", facts.conservation),
    ):
        yield f"  {name + ':':<13} {wei} wei"


def as_json(facts: Facts) -> dict[str, Any]:
    """The facts of a run; wei as decimal strings."""
    c, claim = facts.committee, facts.claim
    return {
        "seed": facts.plan.seed,
        "oracle": {
            "address": facts.oracle,
            "quorum": c.quorum,
            "disputeWindow": c.dispute_window,
            "guardian": c.guardian,
            "reporters": list(c.reporters),
        },
        "rounds": [_round_json(r, facts) for r in facts.rounds],
        "bettors": [
            {"name": a.name, "address": a.address, **{k: str(v) for k, v in facts.row(a).items()}}
            for a in facts.accounts
        ],
        "claim": claim
        and {
            "bettor": claim.name,
            "market": claim.market,
            "rounds": list(claim.rounds),
            "to": claim.to,
            "amount": str(claim.gained),
        },
        "fees": str(facts.sum("FeesWithdrawn")),
        "conservation": str(facts.conservation),
        "outcomes": outcomes(facts.plan),
    }


def _round_json(r: Played, facts: Facts) -> dict[str, Any]:
    planned, verdict = r.planned, decide(r.answers)
    drawn = {"whites": list(planned.draw.whites), "special": planned.special}
    return {
        **drawn,
        **draw_json(planned.game, planned.date, r.answers),
        "winningNumber": r.number,
        "dissenting": list(verdict.dissenting) if isinstance(verdict, Agreed) else [],
        "votes": {
            address: vote
            and {
                "keeper": name,
                "whites": list(vote.whites),
                "special": vote.special,
                "winningNumber": vote.winning_number,
                "right": vote == planned.draw,
            }
            for address, (name, vote) in zip(
                facts.committee.reporters, r.votes.items(), strict=True
            )
        },
        "proposal": r.proposal,
        "market": r.market,
        "roundId": r.id,
        "status": r.info.status.name.lower(),
        "feeBps": r.info.fee_bps,
        "fees": str(r.sum("FeesWithdrawn")),
        "bets": _bets_json(r, {a.address: a.name for a in facts.accounts}),
    }


def _bets_json(r: Played, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The bets in the order placed; the amount is what stands, without what was taken back."""
    bets = [
        {
            "bettor": names[e.args["user"]],
            "prediction": Prediction(e.args["prediction"]).name,
            "amount": str(e.args["amount"]),
        }
        for e in r.events
        if e.name == "BetPlaced"
    ]
    for bet, planned in zip(bets, r.planned.wagers, strict=True):
        if planned.matched:
            bet["change"] = str(planned.amount - int(bet["amount"]))
    for e in r.events:
        if e.name == "BetCancelled":
            bet = [x for x in bets if x["bettor"] == names[e.args["user"]]][e.args["betIndex"]]
            bet["cancelled"] = str(e.args["amount"])
            bet["amount"] = str(int(bet["amount"]) - e.args["amount"])
    return bets
