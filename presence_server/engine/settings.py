"""The engine's own settings; the program's configuration is turned into one of these by its composition root."""

from dataclasses import dataclass

ANY = "*"


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Durations in seconds, sizes in bytes. An origin is `scheme://host[:port]`, or `*` for any."""

    path: str = "/socket.io/"
    transports: tuple[str, ...] = ("polling", "websocket")
    allowed_origins: frozenset[str] = frozenset()
    kept_headers: tuple[str, ...] = ()
    """Names, in lower case, of further headers whose values a `Door` is told."""
    ping_interval_seconds: float = 25.0
    ping_timeout_seconds: float = 20.0
    max_payload_bytes: int = 65536
    max_head_bytes: int = 16384
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    connect_seconds: float = 10.0
    upgrade_seconds: float = 10.0
    close_seconds: float = 2.0
    handler_seconds: float = 5.0
    slow_seconds: float = 10.0
    keepalive_seconds: float = 75.0
    write_high_bytes: int = 65536
    write_limit_bytes: int = 262144

    def allows_origin(self, origin: str) -> bool:
        """A request without an Origin does not come from a page and is not bound by this."""
        return not origin or ANY in self.allowed_origins or origin in self.allowed_origins

    @property
    def tick_seconds(self) -> float:
        """How often deadlines are looked at: fine enough for the shortest of them, at most once a second."""
        shortest = min(
            self.ping_interval_seconds,
            self.ping_timeout_seconds,
            self.head_seconds,
            self.connect_seconds,
            self.upgrade_seconds,
            self.slow_seconds,
            self.close_seconds,
            self.handler_seconds,
        )
        return min(1.0, max(0.02, shortest / 4))
