"""The folder of this process: one process at a time, its node's name, boot numbers that only grow.

Knows nothing of the outbox and the checkpoints that are kept in it.
"""

import fcntl
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter, ValidationError

from backend_api.contract.snapshots import Node
from backend_api.service.errors import StartError

_name: TypeAdapter[str] = TypeAdapter(Node)


class DataFolder:
    """Holds the folder while it is entered. StartError if another process does, or if it cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1

    def __enter__(self) -> Self:
        try:
            with self._writable():
                self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            # The kernel lets go of it when the process dies, however it dies.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise StartError(f"presence.data_dir {self.path} is in use by another presence server") from None
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        os.close(self._lock)

    def node(self) -> str:
        """The name of the node that lives here: made up once, so that two folders on one host are two nodes."""
        if (known := self._read("node")) is None:
            host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:48] or "node"
            known = f"{host}-{secrets.token_hex(4)}"
            with self._writable():
                self._write("node", known)
        try:
            return _name.validate_python(known)
        except ValidationError:
            raise StartError(f"{self.path / 'node'}: not a name of a node; remove the file for a new one") from None

    def last_boot(self) -> int:
        """The highest boot number that was ever kept here; 0 in a new folder."""
        known = self._read("boot")
        return int(known) if known is not None and known.isdecimal() else 0

    def keep_first_boot(self, boot: int) -> None:
        """Remember the boot number that this process begins with. StartError where that cannot be done."""
        with self._writable():
            self.keep_boot(boot)

    def keep_boot(self, boot: int) -> None:
        """Remember a boot number before anything is reported under it. Raises OSError."""
        self._write("boot", str(boot))

    def _read(self, name: str) -> str | None:
        try:
            return (self.path / name).read_text("ascii", "replace").strip() or None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StartError(f"{self.path / name} cannot be read: {error.strerror}") from None

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StartError(f"presence.data_dir {self.path} cannot be written: {error.strerror}") from None

    def _write(self, name: str, text: str) -> None:
        """Durable when this returns, and never half written."""
        draft = self.path / f"{name}.new"
        with draft.open("w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / name)
