"""One frame to many wires, straight to the system: no queue, no copy, nothing of a transport in between.

`write_all` is the C helper where it was built, else the same loop in Python.
"""

import os
from collections.abc import Iterable
from typing import Protocol, TypeVar

__all__ = ["write_all", "write_all_in_python"]


class HasDescriptor(Protocol):
    """A wire. Its `descriptor` is -1 where frames must not be written directly."""

    descriptor: int


W = TypeVar("W", bound=HasDescriptor)


def write_all_in_python(wires: Iterable[W | None], frame: bytes) -> list[tuple[W, int]]:
    """Write a frame to every wire; those that did not take it whole, and how many bytes they took. None is passed over.

    An error is nothing taken: whoever sends the rest by way of the transport hears of it there.
    """
    size, behind = len(frame), []
    for wire in wires:
        if wire is None:
            continue
        try:
            sent = os.write(wire.descriptor, frame) if wire.descriptor >= 0 else 0
        except OSError:
            sent = 0
        if sent < size:
            behind.append((wire, sent))
    return behind


try:
    from presence_server.engine._straight import write_all
except ImportError:
    write_all = write_all_in_python
