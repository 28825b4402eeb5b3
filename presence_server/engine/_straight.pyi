from collections.abc import Iterable

from presence_server.engine.straight import W

def write_all(wires: Iterable[W | None], frame: bytes, /) -> list[tuple[W, int]]: ...
