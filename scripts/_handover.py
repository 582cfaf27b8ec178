"""What a hand-over of a market takes, worked out of who holds what: no chain, no click."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scripts._holders import Holders, role_id
from scripts._text import duration, utc


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to become of a market.

    Attributes:
        to: the account that becomes admin and guardian.
        actor: who acts now.
        leaving: who is to hold nothing in the end.
        operator: who becomes operator, if that is to change.
        fee_recipient: who gets the fees, if that is to change.
        fees_may_stay: that one who leaves may go on getting the fees.
    """

    to: str
    actor: str
    leaving: tuple[str, ...]
    operator: str | None = None
    fee_recipient: str | None = None
    fees_may_stay: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A call of the market by the actor, and why."""

    function: str
    args: tuple[Any, ...]
    note: str


def objections(holders: Holders, wish: Wish) -> Iterator[str]:
    """Why nothing may be sent yet, each with what to do about it."""
    if wish.actor != holders.admin != wish.to:
        yield f"the admin is {holders.admin}: only that account can hand over"
    if wish.to in [decider.address for decider in holders.deciders]:
        yield f"{wish.to} is the oracle, which cannot act as an admin"
    for account in wish.leaving:
        yield from _oracle_objections(holders, account)
        if holders.fee_recipient == account and not (wish.fees_may_stay or wish.fee_recipient):
            yield (
                f"{account} gets the fees: name another by --fee-recipient, or let it have them "
                "by --allow-fee-recipient"
            )
        if wish.fee_recipient == account and not wish.fees_may_stay:
            yield f"--fee-recipient {account} is to leave: name another"
        if wish.operator == account:
            yield f"--operator {account} is to leave: name the keeper's key"
    operators = set(holders.having("operator"))
    if operators and operators <= set(wish.leaving) and wish.operator is None:
        yield "nobody would be operator: name the keeper's key by --operator"


def _oracle_objections(holders: Holders, account: str) -> Iterator[str]:
    for decider in holders.deciders:
        served = ", ".join(decider.serves)
        later = decider.serves[0] == "later rounds"
        if decider.guardian == account:
            way = (
                "deploy another with another guardian (`ape run deploy oracle`), `ape run "
                "settings oracle`, and wait for the rounds of this one"
                if later
                else "wait until they have their results, or cancel them"
            )
            yield (
                f"{account} is the guardian of ResultOracle {decider.address} (oracle of "
                f"{served}) for good: {way}"
            )
        if decider.address == account:
            way = (
                "`ape run deploy oracle`, then `ape run settings oracle`"
                if later
                else "give their results, or cancel them"
            )
            yield f"{account} is itself the oracle of {served} and decides their results: {way}"


def steps(holders: Holders, wish: Wish) -> list[Step]:
    """What the actor can do now, each possible without the others."""
    if wish.actor == holders.admin:
        return list(_as_admin(holders, wish))
    return [
        Step("renounceRole", (role_id(role), wish.actor), f"{role}: given up by {wish.actor}")
        for role in ("operator", "guardian")
        if wish.actor in holders.having(role)
    ]


def _as_admin(holders: Holders, wish: Wish) -> Iterator[Step]:
    for role, account in (("guardian", wish.to), ("operator", wish.operator)):
        if account and account not in holders.having(role):
            yield Step("grantRole", (role_id(role), account), f"{role}: {account}")
    for role in ("guardian", "operator"):
        for account in wish.leaving:
            if account in holders.having(role):
                yield Step("revokeRole", (role_id(role), account), f"{role}: no longer {account}")
    recipient = wish.fee_recipient
    if recipient and recipient != holders.fee_recipient:
        yield Step("setFeeRecipient", (recipient,), f"fees: to {recipient}")
    if holders.admin == wish.to:
        if holders.pending in wish.leaving:
            yield Step("cancelDefaultAdminTransfer", (), "admin: not offered any more")
    elif holders.pending != wish.to:
        wait = duration(holders.delay)
        yield Step("beginDefaultAdminTransfer", (wish.to,), f"admin: offered to {wish.to}, {wait}")


def remaining(holders: Holders, to: str, game: str) -> str | None:
    """What is left to do for the admin role to be handed over; None when it is."""
    if holders.admin == to:
        return None
    if holders.pending != to:
        return f"the admin role is not offered to {to}"
    left = holders.schedule - holders.now
    when = f"after {utc(holders.schedule)}, in {duration(left)}" if left >= 0 else "now"
    return (
        f"{to} can accept the admin role {when}: "
        f"`ape run roles accept --game {game} --safe-batch FILE`"
    )


def kept(holders: Holders, account: str, *, fees_may_stay: bool = False) -> list[str]:
    """The powers that an account has now: what a proof must not find."""
    return [
        one.what
        for one in holders.of(account)
        if one.power and not (fees_may_stay and one.what == "fee recipient")
    ]
