"""What the REST API is asked: a model for every question, in path, query or body.

All of it is hostile: what does not fit, or is more than was asked for, is one clear problem.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Annotated, Any, Literal, TypeVar

from aiohttp import hdrs, web
from eth_utils.address import to_checksum_address
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
)

from feed.http import Problem

_BODY_SECONDS = 10  # for all of a body to come

M = TypeVar("M", bound="Asked")


def _counted(most: int) -> BeforeValidator:
    """A number from 1 on as a path or a query has it."""

    def check(value: str) -> str:
        if not re.fullmatch("[1-9][0-9]{0,17}", value) or int(value) > most:
            raise ValueError(f"wants a whole number from 1 to {most}")
        return value

    return BeforeValidator(check)


def _like(pattern: str, wanted: str) -> AfterValidator:
    """A text of this form."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"wants {wanted}")
        return value

    return AfterValidator(check)


def _whole(value: Any) -> Any:
    """JSON has one kind of numbers: 1.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_HEX = "0x[0-9a-fA-F]{40}"
_Address = Annotated[
    str,
    _like(_HEX, "an address: 0x and 40 hexadecimal digits"),
    AfterValidator(to_checksum_address),  # whichever way it was capitalized
]
_Market = Annotated[
    str,
    _like(f"{_HEX}|[a-z][a-z-]{{0,30}}", "the address of a market, or its game in small letters"),
]
_Positive = Annotated[int, _counted(10**18 - 1)]
_Limit = Annotated[int, _counted(100)]
_Whole = Annotated[int, BeforeValidator(_whole)]
_Wei = Annotated[
    str, _like("0|[1-9][0-9]{0,76}", "wei, a whole number of at most 77 digits, as a string")
]
_Place = Annotated[
    str, _like(f"[0-9]{{1,15}}:[0-9]{{1,18}}:{_HEX}", "the `next` of the page before")
]


class Asked(BaseModel, extra="forbid", frozen=True):
    """Anything that is asked; what is not known is refused. This is of who asks nothing more."""


class OfRound(Asked):
    """One round."""

    market: _Market
    id: _Positive


class OfRounds(Asked):
    """A page of rounds."""

    market: _Market | None = None
    status: Literal["OPEN", "LOCKED", "FINALIZED", "CANCELLED"] | None = None
    before: _Place | None = None
    limit: _Limit = 20


class OfUser(Asked):
    """Somebody's claims."""

    user: _Address


class OfBets(OfUser):
    """A page of somebody's bets."""

    before: _Positive | None = None
    limit: _Limit = 20


class BetAsked(OfUser, strict=True):
    """A bet that is about to be placed; of the numbers the contract has to say what is wrong."""

    market: _Market
    roundId: _Whole = Field(ge=0, lt=2**53)  # noqa: N815 - as in JSON
    prediction: _Whole = Field(ge=0, le=255)
    amount: _Wei


class ClaimAsked(OfUser, strict=True):
    """A claim of everything, to be paid to another address where it is given."""

    to: _Address | None = None


def _wrong(found: Iterable[tuple[str, str]]) -> Problem:
    """Of fields, each with what is wrong."""
    errors = [{"field": field[:64], "message": why} for field, why in islice(found, 16)]
    first = f"{errors[0]['field'] or 'request'}: {errors[0]['message']}"
    return Problem(400, "bad_request", first, errors=errors)


def _refuse(e: ValidationError) -> Problem:
    return _wrong(
        (
            ".".join(map(str, each["loc"])),
            "is not known here: leave it out"
            if each["type"] == "extra_forbidden"
            else each["msg"].removeprefix("Value error, "),
        )
        for each in e.errors(include_url=False, include_input=False)
    )


def asked(model: type[M], request: web.Request) -> M:
    """What path and query ask. Raises Problem."""
    told = [*request.query.items(), *request.match_info.items()]
    times = Counter(field for field, _ in told)
    if twice := [field for field in times if times[field] > 1]:
        raise _wrong((field, "is given more than once") for field in twice)
    try:
        return model.model_validate_strings(dict(told))
    except ValidationError as e:
        raise _refuse(e) from None


async def sent(model: type[M], request: web.Request) -> M:
    """What the body asks. Raises Problem."""
    if request.content_type != "application/json":
        raise Problem(415, "unsupported_media_type", "the body is application/json")
    if hdrs.CONTENT_ENCODING in request.headers:
        raise Problem(415, "unsupported_media_type", "the body is not to be packed")
    if request.query:
        raise _wrong((field, "is to be told in the body") for field in dict.fromkeys(request.query))
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            body = await request.read()
    except TimeoutError:
        raise Problem(408, "request_timeout", "the body does not come") from None
    try:
        return model.model_validate_json(body)
    except ValidationError as e:
        raise _refuse(e) from None
