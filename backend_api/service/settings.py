"""Settings: the sections that both programs have, and `load`, which reads them and says plainly what is wrong.

A program's root is a model of sections. The other program's top-level table is a `Peer` in it. Order: command line,
environment, secret files, TOML, defaults.
"""

import os
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from backend_api.contract.signing import ALL_SCOPES, SigningKey, derive_key
from backend_api.service.errors import ConfigError
from backend_api.service.layers import (
    Layer,
    as_tree,
    blamed,
    environment_layer,
    merged,
    secrets_layer,
    tree_layer,
)
from backend_api.service.values import FetchUrl, HttpUrl, LogLevel, Network, Origin, Port, Secret

_WORDS = {"extra_forbidden": "unknown setting", "missing": "has to be set"}


class Section(BaseModel):
    """A table of settings; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Peer(BaseModel):
    """What one program reads of the other's table."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    public_url: HttpUrl | None = None


class HttpSettings(Section):
    """Where a program listens and whom it believes; port 0 takes any free one."""

    host: str = "127.0.0.1"
    port: Port
    public_url: HttpUrl | None = None
    allowed_origins: tuple[Origin, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    log_level: LogLevel = "info"


class SigningKeySettings(Section):
    """One shared key of the internal services."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    secret: Secret
    scopes: frozenset[Literal["snapshots", "sessions", "read", "admin"]] = ALL_SCOPES  # type: ignore[assignment]

    def key(self) -> SigningKey:
        return SigningKey(self.id, self.secret.get_secret_value().encode(), frozenset(self.scopes))


class InternalSettings(Section):
    """How services of ours recognise each other: one plain key, or any number of signing keys (newest first)."""

    api_key: Secret | None = None
    accept_plain_key: bool = True
    signing_keys: tuple[SigningKeySettings, ...] = ()

    @model_validator(mode="after")
    def _has_keys(self) -> Self:
        if self.api_key is None and not self.signing_keys:
            raise ValueError("set api_key or signing_keys")
        twice = [key_id for key_id, count in Counter(key.id for key in self.signing_keys).items() if count > 1]
        if twice:
            raise ValueError(f"the id {twice[0]} occurs twice")
        return self

    def keys(self) -> dict[str, SigningKey]:
        """Every signing key by its id; with only an API key, the one derived from it."""
        keys = {settings.id: settings.key() for settings in self.signing_keys}
        if not keys and self.api_key is not None:
            derived = derive_key(self.api_key.get_secret_value())
            keys[derived.id] = derived
        return keys

    def key_for(self, *scopes: str) -> SigningKey:
        """The first key that has all `scopes`: the one to sign with. ConfigError if there is none."""
        for key in self.keys().values():
            if key.scopes.issuperset(scopes):
                return key
        raise ConfigError(f"internal.signing_keys: none has the scopes {', '.join(scopes)}")


class AuthSettings(Section):
    """How users' tokens are checked: HS256 by a shared secret, or RS256 and ES256 by the keys behind a URL."""

    secret: Secret | None = None
    jwks_url: FetchUrl | None = None
    issuer: str | None = None
    audience: str | None = None

    @model_validator(mode="after")
    def _one_mode(self) -> Self:
        if (self.secret is None) == (self.jwks_url is None):
            raise ValueError("set exactly one of secret and jwks_url")
        return self


Root = TypeVar("Root", bound=BaseModel)


def load(
    root: type[Root],
    config_file: Path | None,
    overrides: Mapping[str, object],
    *,
    secrets: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Root:
    """The settings of a program.

    `overrides` are nested tables from the command line; `secrets` is a folder with one file per setting, each named
    like its environment variable. ConfigError names the first setting that is wrong and where it was set.
    """
    layers = [tree_layer(overrides, "command line"), environment_layer(root, environ)]
    if secrets is not None:
        layers.append(secrets_layer(root, _read_folder(secrets)))
    if config_file is not None:
        layers.append(tree_layer(_read_toml(config_file), str(config_file)))
    everything = merged(layers)
    try:
        return root.model_validate(as_tree(everything))
    except ValidationError as wrong:
        raise ConfigError(_first_error(wrong, everything)) from None


def _first_error(wrong: ValidationError, layer: Layer) -> str:
    first = wrong.errors(include_url=False, include_input=False)[0]
    location = tuple(str(step) for step in first["loc"])
    what = _WORDS.get(first["type"], first["msg"].removeprefix("Value error, "))
    return f"{blamed(layer, location)}: {what}"


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _read_folder(folder: Path) -> dict[str, str]:
    """Names with a dot in front are the mounts' own."""
    try:
        files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
        return {path.name: path.read_text("utf-8").strip() for path in files}
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{folder}: holds a file that is not text") from None
