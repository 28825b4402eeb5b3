"""What the viewer routes read from paths, queries and bodies. Decides nothing."""

import re
from datetime import date, datetime, tzinfo
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler

from backend_api.contract.rooms import Room, RoomId
from backend_api.contract.snapshots import MAX_PARTS, Part
from backend_api.contract.wire import Wire
from backend_api.viewers.charts import Asked
from backend_api.viewers.intake import Refused
from backend_api.viewers.ranges import Resolution, TimeRange

MAX_ITEM_ERRORS = 5
MAX_ITEM_FAULTS = 20
"""Beyond so many they are only counted: to name all of a hundred thousand takes seconds."""
MAX_LINE_LENGTH = 200

_YEARS = range(2000, 2101)


class RoomPath(Wire):
    """Any room."""

    room: Room


class AuctionPath(Wire):
    """The room of an auction."""

    id: RoomId

    @property
    def room(self) -> str:
        return f"auction:{self.id}"


_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?)?", re.ASCII)


def _moment(value: object) -> date:
    """A date, or a time with or without an offset."""
    if not isinstance(value, str):
        raise ValueError("must be a date or a time")
    try:
        if not _MOMENT.fullmatch(value):
            raise ValueError
        moment = date.fromisoformat(value) if len(value) <= len("2026-11-21") else datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a date or an RFC 3339 time") from None
    if moment.year not in _YEARS:
        raise ValueError(f"must lie in the years {_YEARS.start} to {_YEARS.stop - 1}")
    return moment


def _zone(value: object) -> tzinfo:
    try:
        if value == "localtime":  # The server's own; the database of zones has none of that name.
            raise ValueError
        return ZoneInfo(str(value))
    except (KeyError, ValueError, OSError):
        raise ValueError("must be an IANA time zone, as Europe/Berlin") from None


Moment = Annotated[
    date,
    PlainValidator(_moment),
    WithJsonSchema({"type": "string", "description": "A date (that whole day) or a time"}),
]
Zone = Annotated[tzinfo, PlainValidator(_zone), WithJsonSchema({"type": "string", "examples": ["Europe/Berlin"]})]


class HistoryQuery(Wire):
    """A rolling `timeRange`, or a range from `from` to `to`; neither is everything."""

    time_range: TimeRange | None = None
    first: Annotated[Moment | None, Field(alias="from")] = None
    last: Annotated[Moment | None, Field(alias="to")] = None
    tz: Zone | None = None
    resolution: Resolution | Literal["auto"] = "auto"

    @model_validator(mode="after")
    def _one_range(self) -> Self:
        if self.time_range is not None and (self.first, self.last) != (None, None):
            raise ValueError("give timeRange or from and to, not both")
        return self

    def asked(self) -> Asked:
        return Asked(self.time_range or "all", self.first, self.last, self.tz, self.resolution)


SearchText = Annotated[str, StringConstraints(max_length=161, pattern=r"^[^\x00-\x1f]*$")]


class RoomsTableQuery(Wire):
    """Which rooms: names that begin with `prefix` and hold `q`, both taken literally."""

    prefix: SearchText = ""
    q: SearchText = ""


class RoomsQuery(RoomsTableQuery):
    """One page of them."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Annotated[str, StringConstraints(max_length=300)] | None = None


def _or_refused(value: Any, validate: ModelWrapValidatorHandler[Part]) -> Part | Refused:
    try:
        return validate(value)
    except ValidationError as error:
        return Refused(_lines(error))


def _lines(error: ValidationError) -> list[str]:
    count = error.error_count()
    if count > MAX_ITEM_FAULTS:
        return [f"{count} values are wrong or unknown"]
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [_line(item["loc"], item["msg"])[:MAX_LINE_LENGTH] for item in found[:MAX_ITEM_ERRORS]]


def _line(location: tuple[str | int, ...], message: str) -> str:
    return ".".join(map(str, location)) + (": " if location else "") + message.removeprefix("Value error, ")


class Batch(Wire):
    """Parts of any rooms; one that is invalid is answered so and does not touch the others."""

    snapshots: Annotated[list[Annotated[Part, WrapValidator(_or_refused)]], Field(max_length=MAX_PARTS)]
