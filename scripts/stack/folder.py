"""The stack's data folder: made when missing, checked for writing, held by one stack at a time."""

import fcntl
from pathlib import Path
from typing import IO

from presence_server.delivery.outbox import waiting_in
from scripts.stack.processes import StackError

LOG_BYTES_KEPT = 10_000_000


def claim(data: Path) -> IO[str]:
    """Makes and locks the folder; the lock lasts as long as the returned file is open. Raises StackError."""
    try:
        (data / "logs").mkdir(parents=True, exist_ok=True)
        lock = (data / ".lock").open("w")
    except OSError as error:
        raise StackError(f"cannot write to {data}: {error.strerror}; choose another folder with --data", 78) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise StackError(f"another stack is running on {data}; stop it or choose another --data", 75) from None
    return lock


def left_behind(presence: Path, processes: int) -> list[tuple[Path, int]]:
    """Folders of presence processes beyond so many, beside the first one's, and how many reports wait in each."""
    numbered = [
        (path, path.name.removeprefix(f"{presence.name}-")) for path in presence.parent.glob(f"{presence.name}-*")
    ]
    beyond = sorted(path for path, number in numbered if number.isdecimal() and int(number) > processes)
    return [(path, reports) for path in beyond if (reports := waiting_in(path))]


def rotate_logs(logs: Path) -> None:
    """Keeps one older generation of each log that has grown large."""
    for log in logs.glob("*.log"):
        if log.stat().st_size > LOG_BYTES_KEPT:
            log.replace(log.with_suffix(".log.1"))
