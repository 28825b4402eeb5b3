"""Which chats a messenger asked us to leave alone, and whether it meant everybody. Pure; the time is an argument.

The answer "too many requests" does not say which of its limits was met. A busy chat is refused while others are served;
where several chats are refused in a row, it is the bot that is too fast.
"""

EVERYBODY_AFTER = 3
"""So many different chats refused, and none served in between."""
MAX_CHATS = 1_000


class Quiet:
    """The pauses that were asked for."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._everybody_until = 0.0
        self._refused: set[str] = set()

    def refused(self, chat_id: str, seconds: float, now: float) -> None:
        """The messenger asked for a pause when this chat was sent something."""
        self._until = {chat: until for chat, until in self._until.items() if until > now}
        self._until[chat_id] = now + seconds
        self._refused.add(chat_id)
        if len(self._refused) >= EVERYBODY_AFTER or len(self._until) > MAX_CHATS:
            self._everybody_until = now + seconds

    def served(self) -> None:
        """A message was taken: the bot as a whole is not too fast."""
        self._refused.clear()

    def until(self, chat_id: str) -> float:
        """When this chat may be sent something again; a time that is over where it may now."""
        return max(self._everybody_until, self._until.get(chat_id, 0.0))
