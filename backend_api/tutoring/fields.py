"""How values of a record are kept in the database: times as dates, money as text. Pure."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from backend_api.contract.wire import at


def _seconds(value: object) -> object:
    return value.timestamp() if isinstance(value, datetime) else value


Moment = Annotated[float, BeforeValidator(_seconds), PlainSerializer(at, return_type=datetime)]
"""Unix seconds here, a date in the database, which keeps milliseconds."""

Money = Annotated[Decimal, PlainSerializer(str, return_type=str)]
"""A decimal here, its digits in the database: no float in between."""
