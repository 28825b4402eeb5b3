"""The errors of this program, in one tree.

PresenceError
├── Refused            a client's event was refused; its code goes into the ack, nothing is logged
├── ConnectionRefused  a client may not connect; its code goes into `connect_error`
├── DeadConnection     somebody acted for a connection that is gone; whoever catches it drops the act
├── OutboxRefused      the outbox could not take a report (full, read-only, broken disk); a retry may help
└── Unreachable        Redis did not answer, or not as Redis does; a retry may help

What keeps the program from starting is a `ConfigError` or a `StartError` of `backend_api.service.errors`.
"""

# ruff: noqa: N818 - they are named by what happened

from typing import Literal

RefusalCode = Literal["bad_room", "forbidden", "too_many_rooms", "slow_down", "bad_request"]
ConnectCode = Literal["bad_request", "unauthorized", "too_many_sockets", "slow_down", "unavailable"]


class PresenceError(Exception):
    """The root of the tree."""


class Refused(PresenceError):
    """A client's request that is answered with `code` instead of being done."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ConnectionRefused(PresenceError):
    """A connection that is not accepted; only `too_many_sockets`, `slow_down`, `unavailable` may succeed later."""

    def __init__(self, code: ConnectCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class DeadConnection(PresenceError):
    """The connection was lost, or never was."""


class OutboxRefused(PresenceError):
    """Nothing of the report was kept; `reason` fits on one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unreachable(PresenceError):
    """What was asked of Redis was not answered; `reason` fits on one line and names no secret.

    `in_doubt` where it may have been done all the same, now or later.
    """

    def __init__(self, reason: str, *, in_doubt: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.in_doubt = in_doubt
