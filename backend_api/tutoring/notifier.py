"""Tells a student about a link: the Notifier seam, Telegram behind it, and one that only writes to the log.

Telegram: https://core.telegram.org/bots/api#sendmessage. Who tries again and when is `deliveries`' task.
"""

from typing import Any, NamedTuple, Protocol

import aiohttp
import orjson
import structlog

from backend_api.service.fetching import whole_body

MAX_ANSWER_BYTES = 64 * 1024
TIMEOUT_SECONDS = 10.0
DEFAULT_RETRY_SECONDS = 5.0
MAX_RETRY_SECONDS = 86_400.0

log = structlog.get_logger(__name__)


class Message(NamedTuple):
    """A text with one button below it."""

    text: str
    button: str
    url: str


class Outcome(NamedTuple):
    """What became of one try. `retry_after_seconds`: it may succeed then; None: it never will, or it did."""

    delivered: bool
    reason: str | None = None
    retry_after_seconds: float | None = None
    is_slow_down: bool = False
    """The messenger asked to be left alone by everybody for that long."""


class Notifier(Protocol):
    """Sends one message, tries once and raises nothing."""

    async def send(self, chat_id: str, message: Message) -> Outcome: ...


class LogNotifier:
    """Where no bot is configured: says in the log that there is something to hand over. Delivers nothing."""

    async def send(self, chat_id: str, message: Message) -> Outcome:
        log.info("tutoring_link_not_sent", chat_id=chat_id, text=message.text, why="no bot is configured")
        return Outcome(delivered=False, reason="no bot is configured")


class TelegramNotifier:
    """Sends through a bot. `base_url` is https://api.telegram.org or a Bot API server of one's own."""

    def __init__(self, bot_token: str, base_url: str) -> None:
        self._url = f"{base_url}/bot{bot_token}/sendMessage"

    async def send(self, chat_id: str, message: Message) -> Outcome:
        body = {
            "chat_id": chat_id,
            "text": message.text,
            "link_preview_options": {"is_disabled": True},
            "reply_markup": {"inline_keyboard": [[{"text": message.button, "url": message.url}]]},
        }
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(self._url, json=body, allow_redirects=False) as response,
            ):
                return _outcome(response.status, await whole_body(response, MAX_ANSWER_BYTES))
        # The address holds the bot's token: neither it nor an error that names it gets any further.
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = f"Telegram could not be reached: {type(error).__name__}"
            return Outcome(delivered=False, reason=reason, retry_after_seconds=DEFAULT_RETRY_SECONDS)
        except ValueError as error:
            return Outcome(delivered=False, reason=f"Telegram's answer is {error}")


def _outcome(status: int, body: bytes) -> Outcome:
    answer = _parsed(body)
    if status == 200 and answer.get("ok") is True:
        return Outcome(delivered=True)
    reason = f"Telegram answered {status}: {str(answer.get('description', ''))[:200]}"
    if status == 429:
        parameters = answer.get("parameters")
        wait = parameters.get("retry_after") if isinstance(parameters, dict) else None
        seconds = DEFAULT_RETRY_SECONDS
        if isinstance(wait, int | float) and wait > 0:
            seconds = min(float(wait), MAX_RETRY_SECONDS)
        return Outcome(delivered=False, reason=reason, retry_after_seconds=seconds, is_slow_down=True)
    if status >= 500:
        return Outcome(delivered=False, reason=reason, retry_after_seconds=DEFAULT_RETRY_SECONDS)
    return Outcome(delivered=False, reason=reason)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}
