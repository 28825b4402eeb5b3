"""The running backend as the scripts call it: with the stack's own API key, over HTTP."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from scripts.stack import keyring

DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT_SECONDS = 120.0


class BackendError(Exception):
    """The backend cannot be reached, or refuses; the message is for a person."""


class Backend:
    """An async context manager; every failure is a BackendError."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"X-Internal-Request": api_key}

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(TIMEOUT_SECONDS)
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def call(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Any:
        """The `data` of a success."""
        try:
            async with self._session.request(method, self._url + path, json=body, headers=headers) as answer:
                said = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise BackendError(f"{self._url} does not answer: {str(error) or type(error).__name__}") from None
        if answer.status >= 300:
            problems = "; ".join(f"{item['pointer']}: {item['detail']}" for item in said.get("errors", ()))
            raise BackendError(f"{method} {path}: {said.get('detail') or said.get('title')} {problems}".strip())
        return said["data"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where the backend is, and in which folder the stack keeps its key."""
    parser.add_argument("--data", type=Path, default=Path("var"), metavar="DIR", help="the stack's folder (./var)")
    parser.add_argument("--backend", default=DEFAULT_URL, metavar="URL", help=f"the backend ({DEFAULT_URL})")


def from_options(options: argparse.Namespace) -> Backend:
    """BackendError where the folder has no secrets."""
    try:
        return Backend(options.backend, keyring.load(options.data).api_key)
    except FileNotFoundError:
        where = options.data
        raise BackendError(f"no {keyring.FILE_NAME} in {where}: start scripts/up --data {where} once") from None
    except keyring.KeyringError as error:
        raise BackendError(str(error)) from None


def run(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """A script's exit code: its work's own, 1 with one line where that cannot be done, 130 where it is interrupted."""
    try:
        return asyncio.run(work())
    except BackendError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
