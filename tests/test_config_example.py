"""config.example.toml says what is true: every setting, with the default that the programs have."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import backend_api.config
import presence_server.config
from backend_api.service.settings import AuthSettings, InternalSettings

TEXT = (Path(__file__).parent.parent / "config.example.toml").read_text()
_UNSET = re.compile(r"^# (?=[a-z_]+ = )", re.MULTILINE)

SECTIONS: dict[str, type[BaseModel]] = {
    "presence": presence_server.config.PresenceSettings,
    "backend": backend_api.config.BackendSettings,
    "internal": InternalSettings,
    "auth": AuthSettings,
}


def _settings(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any]]:
    """Dotted name and default of every setting, sections within sections included."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings(field.annotation, f"{prefix}.{name}")
        else:
            yield f"{prefix}.{name}", field.get_default(call_default_factory=True)


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in table.items():
        values |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return values


def _plain(default: Any) -> Any:
    return str(default) if isinstance(default, Path) else list(default) if isinstance(default, tuple) else default


DEFAULTS = {name: default for section, model in SECTIONS.items() for name, default in _settings(model, section)}


def test_every_setting_is_there_and_no_other():
    """A newcomer can trust the file to be complete, an operator to be up to date."""
    assert _flat(tomllib.loads(_UNSET.sub("", TEXT))).keys() == DEFAULTS.keys()


@pytest.mark.parametrize(("name", "value"), _flat(tomllib.loads(TEXT)).items())
def test_what_is_set_is_the_default(name, value):
    """Copying the file changes nothing."""
    assert value == _plain(DEFAULTS[name])


def test_what_is_commented_out_has_no_default():
    """Only settings that are unset by default may be left out."""
    unset = DEFAULTS.keys() - _flat(tomllib.loads(TEXT)).keys()
    assert {DEFAULTS[name] for name in unset} == {None}


def test_every_setting_has_a_comment_of_one_line():
    """Each line that sets something says what."""
    lines = [line for line in TEXT.splitlines() if re.match(r"(# )?[a-z_]+ = ", line)]
    assert len(lines) == len(DEFAULTS)
    assert not [line for line in lines if "  # " not in line]
