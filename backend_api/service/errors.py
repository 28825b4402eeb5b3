"""Everything that may go wrong on purpose, as one tree. Turning it into an answer is `web`'s task.

    AppError                 has an HTTP status; `retryable` says whether the same request may succeed later
    ├── BadRequest           400  it could not be read at all (malformed JSON, bytes that are no text)
    ├── Unauthorized         401  no credential, or one that is wrong; never says which part was wrong
    ├── Forbidden            403  a good credential of somebody who may not do this
    ├── NotFound             404
    ├── Conflict             409  contradicts what is already kept
    ├── TooLarge             413
    ├── Unsupported          415  a media type or content coding that is not taken
    ├── Unprocessable        422  well-formed, but not what the contract says; `errors` names each field
    ├── TooManyRequests      429  retryable, with Retry-After
    └── Unavailable          503  retryable, with Retry-After: something this depends on is away
    ConfigError              the settings are wrong: the program does not start, exit status 78
    StartError               something outside is in the way, such as a port in use; exit status 75, a retry may help

`detail` and `errors` reach the client: they hold neither secrets nor internals.
"""

# ruff: noqa: N818 - an answer is named by its status, not by the word Error

from collections.abc import Sequence
from http import HTTPStatus
from typing import ClassVar, NamedTuple


class FieldError(NamedTuple):
    """What is wrong with one value; `pointer` is a JSON pointer as a URI fragment (RFC 6901 §6), `#` the whole."""

    pointer: str
    detail: str


class AppError(Exception):
    """An answer other than success. `headers` are sent with it."""

    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers: dict[str, str] = {}
        self.members: dict[str, object] = {}
        """What the problem says beside its own fields (RFC 9457 §3.2), ready for JSON."""

    @property
    def title(self) -> str:
        return HTTPStatus(self.status).phrase


class BadRequest(AppError):
    """The request could not be read."""

    status = 400


class Unauthorized(AppError):
    """No credential, or a wrong one."""

    status = 401

    def __init__(self, detail: str = "A valid credential is needed.") -> None:
        super().__init__(detail)
        self.headers = {"WWW-Authenticate": "Bearer"}


class Forbidden(AppError):
    """Known, but not allowed to."""

    status = 403


class NotFound(AppError):
    """There is no such thing."""

    status = 404


class Conflict(AppError):
    """It contradicts what is kept."""

    status = 409


class TooLarge(AppError):
    """More bytes than this route takes."""

    status = 413


class Unsupported(AppError):
    """A media type or content coding that is not taken."""

    status = 415


class Unprocessable(AppError):
    """Well-formed, but against the contract."""

    status = 422


class _TryLater(AppError):
    retryable = True

    def __init__(self, detail: str = "", *, retry_after_seconds: int = 1) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": str(retry_after_seconds)}


class TooManyRequests(_TryLater):
    """Slow down."""

    status = 429


class Unavailable(_TryLater):
    """Something this depends on is away for the moment."""

    status = 503


class ConfigError(Exception):
    """The settings are wrong; the message is one line that names the setting."""


class StartError(Exception):
    """The program cannot start just now; the message is one line that says what is in the way."""
