"""What the REST API is asked: a model for every question, in path, query or body.

All of it is hostile: what does not fit, or is more than was asked for, is one clear problem.
"""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any, Literal, TypeVar

from aiohttp import hdrs, web
from eth_utils.address import to_checksum_address
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
)

from feed.http import Problem

_BODY_SECONDS = 10  # for all of a body to come

M = TypeVar("M", bound="Asked")


def _digits(value: Any) -> Any:
    """A number as a path or a query has it."""
    if isinstance(value, str) and not re.fullmatch(r"[1-9][0-9]{0,17}", value):
        raise ValueError("wants a whole number from 1 on")
    return value


def _whole(value: Any) -> Any:
    """JSON has one kind of numbers: 1.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _address(text: str) -> str:
    """With its checksum, whichever way it was capitalized."""
    if not re.fullmatch(_HEX, text):
        raise ValueError("wants an address: 0x and 40 hexadecimal digits")
    return to_checksum_address(text)


_HEX = r"0x[0-9a-fA-F]{40}"
_Address = Annotated[str, AfterValidator(_address)]
_Market = Annotated[str, StringConstraints(pattern=f"^({_HEX}|[a-z][a-z-]{{0,30}})$")]
_Positive = Annotated[int, BeforeValidator(_digits), Field(ge=1, lt=10**18)]
_Limit = Annotated[int, BeforeValidator(_digits), Field(ge=1, le=100)]
_Whole = Annotated[int, BeforeValidator(_whole)]
_Wei = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,76})$")]
_Place = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}:[0-9]{1,18}:0x[0-9a-fA-F]{40}$")]


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


def _refuse(e: ValidationError) -> Problem:
    errors = [
        {
            "field": ".".join(map(str, each["loc"]))[:64],
            "message": each["msg"].removeprefix("Value error, "),
        }
        for each in e.errors(include_url=False, include_input=False)[:16]
    ]
    first = f"{errors[0]['field'] or 'request'}: {errors[0]['message']}"
    return Problem(400, "bad_request", first, errors=errors)


def asked(model: type[M], request: web.Request) -> M:
    """What path and query ask. Raises Problem."""
    told = [*request.query.items(), *request.match_info.items()]
    if len(fields := dict(told)) != len(told):
        raise Problem(400, "bad_request", "something is given twice")
    try:
        return model.model_validate_strings(fields)
    except ValidationError as e:
        raise _refuse(e) from None


async def sent(model: type[M], request: web.Request) -> M:
    """What the body asks. Raises Problem."""
    if request.content_type != "application/json":
        raise Problem(415, "unsupported_media_type", "the body is application/json")
    if hdrs.CONTENT_ENCODING in request.headers:
        raise Problem(415, "unsupported_media_type", "the body is not to be packed")
    if request.query:
        raise Problem(400, "bad_request", "all of it is told in the body")
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            body = await request.read()
    except TimeoutError:
        raise Problem(408, "request_timeout", "the body does not come") from None
    try:
        return model.model_validate_json(body)
    except ValidationError as e:
        raise _refuse(e) from None
