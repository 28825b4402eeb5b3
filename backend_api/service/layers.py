"""Where settings come from, flattened so that each value knows its place: `("backend", "port") -> Setting`. Pure.

Which settings exist and what they mean is in the models; this only reads names and shapes.
"""

import json
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from backend_api.service.errors import ConfigError

SettingPath = tuple[str, ...]

VARIABLE = "environment variable "


class Setting(NamedTuple):
    """One value and the words by which an operator knows the place where it was set."""

    value: object
    place: str


Layer = dict[SettingPath, Setting]

LEGACY_NAMES: Mapping[str, SettingPath] = {
    "INTERNAL_API_KEY": ("internal", "api_key"),
    "BACKEND_API_URL": ("presence", "backend", "urls"),
    "TELEGRAM_BOT_TOKEN": ("backend", "telegram", "bot_token"),
    "STREAM_SECRET_KEY": ("backend", "stream", "api_secret"),
    "NEXT_PUBLIC_STREAM_API_KEY": ("backend", "stream", "api_key"),
    "NEXT_PUBLIC_BASE_URL": ("backend", "public_url"),
}
"""The names that the host application first used, understood where the program has the setting."""


def tree_layer(tree: Mapping[str, object], place: str) -> Layer:
    """Nested tables, such as a TOML file or what the command line set."""
    return {path: Setting(value, place) for path, value in _leaves(tree, ())}


def environment_layer(root: type[BaseModel], environ: Mapping[str, str]) -> Layer:
    """`BACKEND__PORT` and the legacy names; lists and mappings are JSON; an empty value counts as unset.

    A table has no variable of its own, only its settings have.
    """
    sections = {name.lower() for name in root.model_fields}
    layer: Layer = {}
    for name, path in LEGACY_NAMES.items():
        if (text := environ.get(name)) and (hint := _hint(root, path)) is not None:
            value = [text] if get_origin(hint) in (list, tuple) else text
            layer[path] = Setting(value, VARIABLE + name)
    for name, text in environ.items():
        path = tuple(name.lower().split("__"))
        if text and len(path) > 1 and path[0] in sections:
            layer[path] = _from_text(root, path, text, VARIABLE + name)
    return layer


def secrets_layer(root: type[BaseModel], texts: Mapping[str, str]) -> Layer:
    """Secret files: the text of each by its name, `internal__api_key`."""
    paths = {tuple(name.lower().split("__")): name for name in texts}
    return {path: _from_text(root, path, texts[name], f"secret file {name}") for path, name in paths.items()}


def merged(layers: list[Layer]) -> Layer:
    """All layers in one; an earlier one wins."""
    return {path: setting for layer in reversed(layers) for path, setting in layer.items()}


def as_tree(layer: Layer) -> dict[str, Any]:
    """Nested tables again; ConfigError where a value stands in the place of a table."""
    tree: dict[str, Any] = {}
    for path, (value, place) in sorted(layer.items(), key=lambda item: len(item[0])):
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
            if not isinstance(node, dict):
                raise ConfigError(f"{place}: {name} is a value, not a table")
        if not (value == {} and path[-1] in node):
            node[path[-1]] = dict(value) if isinstance(value, dict) else value
    return tree


def blamed(layer: Layer, location: SettingPath) -> str:
    """How to name the setting at `location` to the operator: where it was set, and its name in a file."""
    found = {layer[location[:length]].place for length in range(len(location), 0, -1) if location[:length] in layer}
    below = {setting.place for path, setting in layer.items() if path[: len(location)] == location}
    places = found or below
    name = ".".join(location)
    if len(places) != 1:
        return name
    place = places.pop()
    return place if place.startswith(VARIABLE) else f"{place}: {name}"


def _leaves(tree: Mapping[str, object], prefix: SettingPath) -> Iterator[tuple[SettingPath, object]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*prefix, name))
        else:
            yield (*prefix, name), value


def _from_text(root: type[BaseModel], path: SettingPath, text: str, place: str) -> Setting:
    hint = _hint(root, path)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        raise ConfigError(f"{place}: is a table; set what is in it, one by one")
    if get_origin(hint) not in (list, dict, tuple, set, frozenset):
        return Setting(text, place)
    try:
        return Setting(json.loads(text), place)
    except (ValueError, RecursionError):
        raise ConfigError(f"{place}: must be JSON") from None


def _hint(root: type[BaseModel], path: SettingPath) -> object | None:
    """The annotation of a setting without `| None` and `Annotated`; None where there is no such setting."""
    hint: object = root
    for name in path:
        if not (isinstance(hint, type) and issubclass(hint, BaseModel)) or name not in hint.model_fields:
            return None
        hint = _bare(hint.model_fields[name].annotation)
    return hint


def _bare(hint: object) -> object:
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return next((_bare(arg) for arg in get_args(hint) if arg is not type(None)), hint)
    return hint
