"""Several presence servers on one port: forked, watched, started again, stopped together. Serves nothing itself.

The kernel spreads connections over the processes (SO_REUSEPORT). Each is a node of its own, in a folder of its own.
Which one is to be started when is decided in `respawn`.
"""

import ctypes
import gc
import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

import structlog

from backend_api.service import logs
from backend_api.service.serving import cannot_listen
from presence_server.config import PresenceSettings, Root
from presence_server.delivery.outbox import waiting_in
from presence_server.respawn import Crew

Serve = Callable[[Root, Callable[[], None]], int]
"""Serves until a signal comes, and says when it is ready; the exit status. It calls `hear_signals` when it can."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_PR_SET_PDEATHSIG = 1
_FAILED = 1

log = structlog.get_logger(__name__)


def run_processes(settings: Root, serve: Serve) -> int:
    """Keeps `presence.processes` of them running until a signal comes; the exit status of the whole.

    ConfigError or StartError where the port cannot be had.
    """
    own = settings.presence
    logs.configure(own.log_level)
    _tell_what_was_left(own.data_dir, own.processes)
    with _reserved(own.host, own.port) as port:
        return _Parent(settings, port, serve).run()


class _Parent:
    """The process that the others are children of."""

    def __init__(self, settings: Root, port: int, serve: Serve) -> None:
        self._settings = settings
        self._port = port
        self._serve = serve
        self._crew = Crew(settings.presence.processes, time.monotonic())
        self._ready = mmap.mmap(-1, settings.presence.processes + 1)
        self._numbers: dict[int, int] = {}

    def run(self) -> int:
        """Starts, waits, starts again; no thread and no loop, so that a fork is safe at any time."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        # What is loaded by now is shared with the children for as long as nobody's collector touches it.
        gc.collect()
        gc.freeze()
        while self._crew.pids() or not self._crew.stopping:
            for number in self._crew.due(time.monotonic()):
                self._start(number)
            self._heed(self._wait())
        return self._crew.status

    def _wait(self) -> int:
        """The next signal; 0 when it is time to start somebody."""
        due_at = self._crew.next_due_at()
        if due_at is None:
            return signal.sigwaitinfo(_SIGNALS).si_signo
        heard = signal.sigtimedwait(_SIGNALS, max(0.0, due_at - time.monotonic()))
        return 0 if heard is None else heard.si_signo

    def _heed(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            log.info("stopping", processes=len(self._crew.pids()))
            self._stop()
        while self._reap():
            pass

    def _stop(self) -> None:
        self._crew.stop()
        for pid in self._crew.pids():
            os.kill(pid, signal.SIGTERM)

    def _reap(self) -> bool:
        """Take note of one child that has ended; False where none has."""
        try:
            pid, wait_status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return False
        number, status = self._numbers.pop(pid), os.waitstatus_to_exitcode(wait_status)
        was_stopping = self._crew.stopping
        again = self._crew.ended(
            pid, _FAILED if status < 0 else status, time.monotonic(), was_ready=bool(self._ready[number])
        )
        if again is not None:
            log.error("process_ended", process=number, status=status, again_in_seconds=again)
        elif not was_stopping:
            log.error("process_not_started", process=number, status=status)
            self._stop()
        return True

    def _start(self, number: int) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._be_child(number, parent)
        self._numbers[pid] = number
        self._crew.started(number, pid, time.monotonic())

    def _be_child(self, number: int, parent: int) -> NoReturn:
        status = _FAILED
        try:
            _die_with(parent)
            structlog.contextvars.bind_contextvars(process=number)
            status = self._serve(_own_settings(self._settings, number, self._port), lambda: self._is_ready(number))
        except BaseException:
            log.exception("process_failed")
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _is_ready(self, number: int) -> None:
        self._ready[number] = 1


def _tell_what_was_left(data_dir: Path, processes: int) -> None:
    """Reports in folders that none of the processes will open would wait there for ever, unseen."""
    beyond = [path for path in data_dir.glob("[0-9]*") if path.name.isdecimal() and int(path.name) > processes]
    for folder in (data_dir, *sorted(beyond)):
        reports = waiting_in(folder)
        if reports:
            log.warning("reports_left_in_folder", folder=str(folder), reports=reports, hint="serve it once, by itself")


def hear_signals() -> None:
    """In a child that has handlers by now: what was signalled meanwhile is delivered to them."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _own_settings(settings: Root, number: int, port: int) -> Root:
    """What one of the processes is told: the common port, a folder of its own, a name where all have one."""
    own: PresenceSettings = settings.presence
    node = None if own.node is None else f"{own.node}-{number}"
    changed = {"port": port, "data_dir": own.data_dir / str(number), "node": node}
    return settings.model_copy(update={"presence": own.model_copy(update=changed)})


@contextmanager
def _reserved(host: str, port: int) -> Iterator[int]:
    """Holds the port for our own processes without listening; its number. Nobody else can have it meanwhile."""
    with ExitStack() as held:
        try:
            for family, kind, protocol, _, address in socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            ):
                place = (address[0], port, *address[2:])
                if port:
                    _bound(family, kind, protocol, place, reuse_port=False).close()  # Only where nobody has it.
                holder = held.enter_context(_bound(family, kind, protocol, place, reuse_port=True))
                port = holder.getsockname()[1]
        except OSError as error:
            raise cannot_listen(host, port, error) from None
        yield port


def _bound(family: int, kind: int, protocol: int, address: tuple[object, ...], *, reuse_port: bool) -> socket.socket:
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _die_with(parent: int) -> None:
    """A parent that is killed outright must not leave children that nobody starts again."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
