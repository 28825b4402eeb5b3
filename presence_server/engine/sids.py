"""The names of sessions and of members. Nobody can guess one: whoever knows a session's may poll in its place."""

import base64
import os

_BYTES, _CHARACTERS, _AT_ONCE = 15, 20, 200


class Sids:
    """Makes them by the hundred: the system is asked for randomness once for all of these. Not to outlive a fork."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: list[str] = []

    def new(self) -> str:
        """120 random bits, as 20 characters that a URL may carry."""
        if not self._made:
            text = base64.urlsafe_b64encode(os.urandom(_BYTES * _AT_ONCE)).decode()
            self._made = [text[at : at + _CHARACTERS] for at in range(0, len(text), _CHARACTERS)]
        return self._made.pop()
