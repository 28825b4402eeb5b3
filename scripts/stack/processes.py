"""One child process of the local stack: its output in a log file, watched, stopped politely, then firmly."""

import asyncio
import ctypes
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

STOP_SECONDS = 20.0
_PR_SET_PDEATHSIG = 1


class StackError(Exception):
    """Why the stack cannot start or go on, as one line; `code` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def _die_with_parent() -> None:
    # A stack killed with -9 must not leave a database running that nobody knows of.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """A running program: its name, its process and its log."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path, log_start: int) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._log_start = log_start

    @classmethod
    async def start(cls, name: str, command: Sequence[str], *, env: dict[str, str], logs: Path) -> "Child":
        """Starts `command` in a process group of its own: Ctrl-C reaches it only through us, in order."""
        log = logs / f"{name}.log"
        with log.open("ab") as output:
            position = output.tell()
            process = await asyncio.create_subprocess_exec(
                *command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, preexec_fn=_die_with_parent,
            )  # fmt: skip
        return cls(name, process, log, position)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def ended(self) -> str:
        """Waits for the end and says it in one line."""
        code = await self._process.wait()
        how = f"was ended by signal {-code}" if code < 0 else f"exited with code {code}"
        # Who is killed outright says nothing of it: what it said last has another cause.
        words = "" if code == -signal.SIGKILL else f": {self.last_line()}"
        return f"{self.name} (process {self.pid}) {how}{words} (log: {self.log})"

    def output(self) -> str:
        """What this run has written so far."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def last_line(self) -> str:
        lines = [line for line in self.output().splitlines() if line.strip()]
        return lines[-1][:300] if lines else "it printed nothing"

    async def wait_until(self, ready: Callable[[], Awaitable[bool]], *, seconds: float) -> None:
        """Polls `ready`; raises StackError when the process ends first or takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while not await ready():
            if not self.is_running:
                raise StackError(await self.ended(), self._process.returncode if self._process.returncode == 78 else 1)
            if time.monotonic() > deadline:
                raise StackError(
                    f"{self.name} was not ready after {seconds:.0f} s: {self.last_line()} (log: {self.log})"
                )
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when that is not heard within STOP_SECONDS."""
        if not self.is_running:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
