"""The local stack's own secrets, made once and kept in `secrets.toml` in its data folder, mode 0600."""

import os
import secrets
import tomllib
from pathlib import Path
from typing import NamedTuple

FILE_NAME = "secrets.toml"


class Keyring(NamedTuple):
    """What the two programs share and what signs user tokens here."""

    api_key: str
    signing_key_id: str
    signing_key: str
    token_secret: str


class KeyringError(Exception):
    """The file is there but is not one of ours; a retry cannot help."""


def load(data: Path) -> Keyring:
    """The secrets of an existing data folder. Raises KeyringError, FileNotFoundError."""
    path = data / FILE_NAME
    try:
        values = tomllib.loads(path.read_text())
        return Keyring(**{name: _text(value) for name, value in values.items()})
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyringError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, TypeError, UnicodeDecodeError):
        raise KeyringError(
            f"{path} must hold exactly {', '.join(Keyring._fields)}; move it away to get a new one"
        ) from None


def load_or_make(data: Path) -> Keyring:
    """The secrets of `data`, made at the first start. Only their owner can read the file."""
    if not (data / FILE_NAME).exists():
        _write(data, Keyring(*(secrets.token_urlsafe(32) for _ in Keyring._fields))._replace(signing_key_id="local-1"))
    return load(data)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _write(data: Path, keyring: Keyring) -> None:
    text = "".join(f'{name} = "{value}"\n' for name, value in keyring._asdict().items())
    fresh = data / f".{FILE_NAME}.{os.getpid()}"
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123 - the mode matters
        file.write(text)
    fresh.rename(data / FILE_NAME)
