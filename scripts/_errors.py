"""Every failure as one line that says what happened and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ape.exceptions import ApeException, NetworkMismatchError
from eth_utils.crypto import keccak
from requests.exceptions import RequestException
from web3.exceptions import BadFunctionCallOutput, ContractLogicError, Web3Exception, Web3RPCError

from keeper.chain import abi
from keeper.domain.calendar import NoDraw
from keeper.domain.draw import InvalidDraw, UnknownGame
from keeper.domain.lines import RoundStatus
from keeper.errors import KeeperError, Reverted
from scripts._text import coins, day, duration, fee, utc

# What a user can do about an error of the contracts, with its values to fill in.
_HINTS: Mapping[str, str] = {
    # rounds and results
    "UnknownRound": "`ape run rounds list` shows the rounds there are",
    "NotADrawTime": "let --date or --next work the time out",
    "DrawTimeOutOfRange": "choose a draw from {earliest} to {latest}",
    "DrawTimeTaken": "that draw has round {roundId} already",
    "WrongStatus": "that round {standing}",
    "TooEarly": "possible from {time} on",
    "TooLate": "possible until {time}; a round without a result can be voided by anyone 72 h "
    "after its draw: `ape run rounds void`",
    "InvalidWinningNumber": "winning numbers are 0 to 99",
    "NotRoundOracle": "the result of this round is for {oracle} to give: use that account",
    "NotAllowedToCancel": "the operator may until the lock, the guardian until the draw: "
    "`ape run roles show`",
    # bets
    "BettingClosed": "betting ended at {lockTime}; `ape run rounds create` opens another round",
    "InvalidPrediction": "predictions are 0 to 7",
    "BetOutOfLimits": "a bet is {minBet} to {maxBet}",
    "TooManyBets": "use another account, or another round: {limit} bets a round are allowed",
    "LineFull": "bet less, or on another prediction",
    "NotEnoughMatched": "only {matchable} finds an opponent now: ask for less by --min (but never "
    "less than the smallest bet), or bet without --matched",
    "UnknownBet": "`ape run bets show {roundId} {user}` lists the bets, from 0 on",
    "NothingUnmatched": "the whole bet has found its opponents and stands",
    "NotAtTail": "a later bet stands behind it on its line and must be cancelled first; "
    "`ape run bets show {roundId}` says what can be cancelled now",
    # payments
    "NothingDue": "`ape run bets show` shows the bets and what was paid",
    "UseClaimWinnings": "the round has its result: `ape run claims claim {roundId}` pays all",
    "PaymentRefused": "the recipient is a contract that takes no coins; nothing has changed",
    "NotEnoughGas": "settle fewer bettors at once (--batch)",
    "ReentrancyGuardReentrantCall": "what is paid may not call for more: use an ordinary account",
    # settings and roles
    "FeeTooHigh": "at most {maxFeeBps}",
    "InvalidBetLimits": "wanted: 1 gwei <= smallest <= largest < 2^96 wei",
    "SafeCastOverflowedUintDowncast": "give a smaller value: it must fit {bits} bits",
    "InvalidGame": "a game's matrix, weekdays and second do not fit together",
    "AdminDelayTooLong": "at most {maxAdminDelay}",
    "ZeroAddress": "give a real address",
    "EnforcedPause": "the market is paused; claims and refunds work; the admin may "
    "`ape run safety unpause`",
    "ExpectedPause": "the market is not paused",
    "AccessControlUnauthorizedAccount": "use an account that holds {neededRole}: "
    "`ape run roles show`",
    "AccessControlBadConfirmation": "a role is renounced by its holder only",
    "AccessControlEnforcedDefaultAdminRules": "the admin changes in two steps: "
    "`ape run roles handover`, then `ape run roles accept`",
    "AccessControlEnforcedDefaultAdminDelay": "possible after {schedule}",
    "AccessControlInvalidDefaultAdmin": "only the account that the role is being handed to can "
    "accept it: `ape run roles show`",
    # the committee
    "InvalidReporterCount": "a committee has 1 to {maxReporters} reporters",
    "DuplicateReporter": "name each reporter once",
    "InvalidQuorum": "more than half of the {reporterCount} reporters, at most all of them",
    "DisputeWindowTooLong": "at most {maxDisputeWindow}",
    "NotReporter": "use a reporter's account: `ape run oracle status` shows them",
    "NotGuardian": "use the account of the guardian, {guardian}",
    "NotAMarket": "no contract is there: check the deployment record",
    "NotOracleOfRound": "its result is for {oracle} to give: `ape run oracle status {roundId}`",
    "RoundDecided": "that round {standing}",
    "ReportTooEarly": "the draw is at {time}: report after it",
    "ReportTooLate": "reports were taken until {time}; without a proposal the round can be voided "
    "72 h after its draw: `ape run rounds void`",
    "WrongDrawDate": "the round's draw is of {expectedDate}",
    "InvalidDraw": "five different whites from 1 to {whiteMax}, a special ball from 1 to "
    "{specialMax}",
    "ProposalStands": "votes are taken again only if the guardian vetoes it; finalize it from "
    "{finalizableAt} on: `ape run oracle finalize {roundId}`",
    "NoProposal": "reporters must agree first: `ape run oracle status {roundId}`",
    "DisputeWindowOpen": "possible from {finalizableAt} on, unless the guardian vetoes it",
    "DisputeWindowOver": "it could be vetoed before {finalizableAt}; anyone may finalize it now",
}

_STANDING = {
    RoundStatus.NONE: "does not exist",
    RoundStatus.OPEN: "takes bets still and has no result",
    RoundStatus.LOCKED: "is locked and has no result yet",
    RoundStatus.FINALIZED: "has its result: `ape run claims claim`",
    RoundStatus.CANCELLED: "is cancelled: `ape run claims refund`",
}
_AMOUNTS = frozenset({"amount", "minBet", "maxBet", "total", "matchable", "required"})
_TIMES = frozenset(
    {"time", "lockTime", "drawTime", "earliest", "latest", "schedule", "finalizableAt"}
)
_DURATIONS = frozenset({"adminDelay", "maxAdminDelay", "disputeWindow", "maxDisputeWindow"})
_DATES = frozenset({"drawDate", "expectedDate"})
_ROLES = {"0x" + keccak(text=role).hex(): role for role in ("OPERATOR_ROLE", "GUARDIAN_ROLE")}
_ROLES["0x" + "00" * 32] = "the admin role"


class UserError(Exception):
    """Something that the user can understand and act upon: one line."""


def refusal(error: Reverted, symbol: str = "POL") -> str:
    """An error of a contract: its name, its values as people read them, and what to do."""
    shown = {name: _shown(name, value, symbol) for name, value in error.args_.items()}
    values = ", ".join(f"{name} {value}" for name, value in shown.items())
    text = f"the contract refuses: {error.name or 'an error without a known name'}"
    if values:
        text += f" ({values})"
    if "status" in error.args_:
        shown["standing"] = _STANDING.get(error.args_["status"], "is in a state unknown here")
    hint = _HINTS.get(error.name)
    return f"{text}: {hint.format_map(shown)}" if hint else text


def _shown(name: str, value: Any, symbol: str) -> str:
    if name in _AMOUNTS:
        return coins(value, symbol)
    if name in _TIMES:
        return utc(value)
    if name == "status" and value in _STANDING:
        return RoundStatus(value).name
    if name in ("feeBps", "maxFeeBps"):
        return fee(value)
    if name == "neededRole":
        return _ROLES.get(value, str(value))
    if name in _DURATIONS:
        return duration(value)
    if name in _DATES:
        return day(value)
    return str(value)


def revert_in(data: Any, message: str | None) -> Reverted:
    """The contract's error in what a node tells of a refused call; its message where none is."""
    told = abi.revert(data)
    return told if told.name or told.args_ or not message else Reverted("", {"message": message})


def explain(exc: BaseException, symbol: str = "POL") -> str | None:
    """The line for a failure that is not a fault of ours; None for one that is."""
    line = _explained(exc, symbol)
    return None if line is None else _harmless(line)


def _explained(exc: BaseException, symbol: str) -> str | None:
    match exc:
        case ContractLogicError():
            return refusal(revert_in(exc.data, exc.message), symbol)
        case Reverted():
            return refusal(exc, symbol)
        case BadFunctionCallOutput():
            return "no market answers at that address: the record is of another chain or contract"
        case Web3RPCError():
            error = (exc.rpc_response or {}).get("error")
            message = error.get("message") if isinstance(error, Mapping) else error
            return f"the node refuses: {message or exc.message}"
        case RequestException():
            place = urlsplit(exc.request.url or "").netloc if exc.request else ""
            return f"the node {place.rpartition('@')[2]} does not answer ({type(exc).__name__})"
        case NetworkMismatchError():
            return f"wrong chain: {exc}"
        case ApeException() | Web3Exception():
            return str(exc) or type(exc).__name__
        # These say in their messages all that there is to say.
        case UserError() | KeeperError() | UnknownGame() | InvalidDraw() | NoDraw():
            return str(exc)
    return None


def _harmless(text: str) -> str:
    """One line, whoever wrote it; without what may be a key: of an address its host is enough."""
    line = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(line.split())[:600]
    line = re.sub(r"\b(https?|wss?)://(?:[^@/\s]*@)?([^/\s'\"),]+)[^\s'\"),]*", r"\1://\2", line)
    return re.sub(r"\burl: /\S*", "url: ...", line)
