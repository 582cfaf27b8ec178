"""What a client may say on the websocket, checked field by field: all of it is hostile."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
)

from keeper.web.frames import Cursor

_MAX_ID = 2**53  # what a JavaScript number can carry
_CODES = {"op": "bad_op", "since": "bad_cursor"}

_Number = Annotated[int, Field(gt=-_MAX_ID, lt=_MAX_ID)]
_Lower = Annotated[str, StringConstraints(to_lower=True)]
_Since = Annotated[Cursor, PlainValidator(Cursor.parse)]


class Malformed(ValueError):
    """What cannot be obeyed.

    Attributes:
        code: what is wrong, for programs.
        id: of the message, when it had a sound one.
    """

    def __init__(self, code: str, why: str, id_: Any = None) -> None:
        super().__init__(why)
        self.code, self.id = code, id_


class Wish(BaseModel):
    """What a client wants; fields that are not known are passed over.

    Attributes:
        since: the cursor from which on it wants its channels, one for all or one for each.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    id: _Number | Annotated[str, Field(max_length=64)] | None = None
    op: Literal["subscribe", "unsubscribe", "ping"]
    channels: Annotated[list[str], FailFast()] = []
    since: _Since | dict[_Lower, _Since] | None = None

    def since_of(self, channel: str) -> Cursor | None:
        """The cursor for a channel, however its address was capitalized."""
        return self.since.get(channel.lower()) if isinstance(self.since, dict) else self.since


def parse(text: str) -> Wish:
    """Reads one message. Raises Malformed."""
    try:
        fields = orjson.loads(text)
        wish = Wish.model_validate(fields)
    except ValidationError as e:
        wrong = {error["loc"][:1]: error["msg"] for error in e.errors(include_url=False)}
        place = next(iter(wrong))
        what = str(place[0]) if place else "message"
        id_ = fields.get("id") if place and ("id",) not in wrong else None
        raise Malformed(_CODES.get(what, "bad_message"), f"{what}: {wrong[place]}", id_) from None
    except ValueError:
        raise Malformed("bad_message", "this is not JSON") from None
    if wish.op != "ping" and not wish.channels:
        raise Malformed("bad_message", "channels: a list of one name or more", wish.id)
    return wish
