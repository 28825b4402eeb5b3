"""Which sockets have to be closed because their token expired. Pure: time is an argument; closing is the caller's."""


class Expiries:
    """Sockets by the whole second in which their token has expired."""

    def __init__(self) -> None:
        self._sockets: dict[int, set[str]] = {}

    def add(self, sid: str, exp_at: float) -> None:
        self._sockets.setdefault(_second(exp_at), set()).add(sid)

    def remove(self, sid: str, exp_at: float) -> None:
        """Forget a socket that closed by itself; harmless when it is not here."""
        sockets = self._sockets.get(_second(exp_at))
        if sockets is not None:
            sockets.discard(sid)
            if not sockets:
                del self._sockets[_second(exp_at)]

    def take_due(self, now: float) -> list[str]:
        """The sockets whose token has expired by `now`, each once."""
        due = [second for second in self._sockets if second <= now]
        return [sid for second in due for sid in self._sockets.pop(second)]

    def __len__(self) -> int:
        return sum(map(len, self._sockets.values()))


def _second(exp_at: float) -> int:
    return -int(-exp_at // 1)
