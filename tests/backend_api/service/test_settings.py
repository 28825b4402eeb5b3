"""Where settings come from, which are refused, and what the operator is told."""

import json
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field

from backend_api.contract.signing import derive_key
from backend_api.service.errors import ConfigError
from backend_api.service.settings import AuthSettings, HttpSettings, InternalSettings, Peer, Section, load
from backend_api.service.values import Port

KEY = "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe"
OTHER_KEY = "9fB2xQ7vM4kTzR1nW8cLsY6dHgJ3pEaU"


class Telegram(Section):
    bot_token: str | None = None


class Own(HttpSettings):
    port: Port = 8080
    kinds: tuple[str, ...] = ()
    defaults: Annotated[dict[str, bool], Field(default_factory=dict)]
    telegram: Telegram = Telegram()


class Root(BaseModel):
    model_config = ConfigDict(extra="forbid")

    backend: Own = Own()
    presence: Peer = Peer()


class Whole(Root):
    internal: InternalSettings
    auth: AuthSettings


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "config.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def secrets(tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    return folder


def refusal(*arguments, root=Root, environ=None, **options):
    with pytest.raises(ConfigError) as refused:
        load(root, *arguments, environ=environ or {}, **options)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_command_line_beats_environment_beats_secret_file_beats_toml_beats_default(config, secrets):
    """Each source is heard only where no stronger one speaks."""
    file = config("[backend]\nport = 1\n")
    (secrets / "backend__port").write_text("2\n")
    environ = {"BACKEND__PORT": "3"}

    def port(overrides=None, **options):
        return load(Root, options.pop("file", file), overrides or {}, **options).backend.port

    assert port(file=None, environ={}) == 8080
    assert port(environ={}) == 1
    assert port(environ={}, secrets=secrets) == 2
    assert port(environ=environ, secrets=secrets) == 3
    assert port({"backend": {"port": 4}}, environ=environ, secrets=secrets) == 4


def test_sources_are_merged_setting_by_setting(config):
    """A stronger source replaces the values it has, not the table around them."""
    file = config('[backend]\nhost = "127.0.0.2"\n[backend.defaults]\nauction = true\n')

    settings = load(Root, file, {}, environ={"BACKEND__PORT": "3", "BACKEND__DEFAULTS__STREAM": "false"})

    assert (settings.backend.host, settings.backend.port) == ("127.0.0.2", 3)
    assert settings.backend.defaults == {"auction": True, "stream": False}


def test_lists_and_tables_in_the_environment_are_json():
    """`["a"]` is a list there, and only where the setting is one."""
    environ = {"BACKEND__KINDS": '["auction"]', "BACKEND__DEFAULTS": '{"a": true}', "BACKEND__HOST": "[::1]"}

    settings = load(Root, None, {}, environ=environ)

    assert settings.backend.kinds == ("auction",)
    assert settings.backend.defaults == {"a": True}
    assert settings.backend.host == "[::1]"


@pytest.mark.parametrize("text", ["auction", "[", "[" * 100_000])
def test_a_list_that_is_no_json_is_one_clear_line(text):
    """The line names the variable."""
    assert refusal(None, {}, environ={"BACKEND__KINDS": text}) == "environment variable BACKEND__KINDS: must be JSON"


def test_an_empty_variable_counts_as_unset():
    """Compose files pass empty values for what nobody set."""
    assert load(Root, None, {}, environ={"BACKEND__PORT": "", "INTERNAL_API_KEY": ""}).backend.port == 8080


@pytest.mark.parametrize(
    ("toml", "where"),
    [
        ("[backend]\nprot = 1", "backend.prot: unknown setting"),
        ("[backend.telegram]\nbot = 1", "backend.telegram.bot: unknown setting"),
        ("[bakend]\nport = 1", "bakend: unknown setting"),
        ('[backend]\nport = "many"', "backend.port: "),
        ("[backend]\nport = 70000", "backend.port: "),
        ("[backend]\ntrusted_proxies = [5]", "backend.trusted_proxies.0: must be a network, such as 10.0.0.0/8"),
        ("[backend]\ntrusted_proxies = [true]", "backend.trusted_proxies.0: must be a network, such as 10.0.0.0/8"),
        ('[backend]\ntrusted_proxies = ["10.0.0.0/8", "no"]', "backend.trusted_proxies.1: 'no' does not appear"),
        ('[backend]\nallowed_origins = ["https://a.example/path"]', "backend.allowed_origins.0: must be an origin"),
        ('[backend]\npublic_url = "http://a.example:99999"', "backend.public_url: Port out of range"),
        ('[backend]\npublic_url = "ftp://a.example"', "backend.public_url: must be an http or https URL"),
        ("backend = 1", "backend: "),
        ("[backend", ""),
    ],
)
def test_a_wrong_setting_in_the_file_is_named(config, toml, where):
    """File, table, key and what is wrong, on one line."""
    file = config(toml)
    prefix = f"{file}: {where}"
    assert refusal(file, {})[: len(prefix)] == prefix


def test_a_wrong_variable_is_named_as_it_was_set():
    """Not by the name it has in the file."""
    assert refusal(None, {}, environ={"BACKEND__PROT": "1"}) == "environment variable BACKEND__PROT: unknown setting"


def test_a_value_in_the_place_of_a_table_is_named(config):
    """Two sources that disagree about the shape."""
    file = config("backend = 1")
    line = refusal(file, {}, environ={"BACKEND__PORT": "2"})
    assert line == "environment variable BACKEND__PORT: backend is a value, not a table"


def test_a_file_that_is_not_there_is_named(tmp_path):
    """So is a folder of secrets, and one with a file that is no text."""
    assert "No such file" in refusal(tmp_path / "none.toml", {})
    assert "No such file" in refusal(None, {}, secrets=tmp_path / "none")
    (tmp_path / "backend__port").write_bytes(b"\xff")
    assert "not text" in refusal(None, {}, secrets=tmp_path)


def test_the_other_programs_table_is_accepted_and_hardly_read(config):
    """One file serves both programs; a program does not judge what it does not know."""
    file = config('[presence]\npublic_url = "https://live.example/"\nanything = 1\n[presence.socket]\npath = "/x/"\n')
    assert load(Root, file, {}, environ={}).presence.public_url == "https://live.example"


def test_variables_of_other_programs_are_left_alone():
    """Only names that begin with one of our tables are ours."""
    load(Root, None, {}, environ={"PATH": "/bin", "OTHER__THING": "1", "BACKEND_URL": "x", "HOME__": "x"})


def test_legacy_names_are_understood_where_the_program_has_the_setting():
    """The names that the host application first used; the new names win."""
    environ = {
        "INTERNAL_API_KEY": KEY,
        "AUTH__SECRET": OTHER_KEY,
        "NEXT_PUBLIC_BASE_URL": "https://a.example",
        "TELEGRAM_BOT_TOKEN": "42:x",
        "STREAM_SECRET_KEY": "this program knows no Stream",
        "BACKEND_API_URL": "https://b.example",
    }
    settings = load(Whole, None, {}, environ=environ)
    assert settings.internal.api_key.get_secret_value() == KEY
    assert settings.backend.public_url == "https://a.example"
    assert settings.backend.telegram.bot_token == "42:x"

    newer = load(Whole, None, {}, environ=environ | {"INTERNAL__API_KEY": OTHER_KEY})
    assert newer.internal.api_key.get_secret_value() == OTHER_KEY


def test_a_legacy_name_for_a_list_takes_one_value():
    """BACKEND_API_URL held one URL."""

    class Backend(Section):
        urls: tuple[str, ...] = ()

    class Presence(Section):
        backend: Backend = Backend()

    class Reader(Section):
        presence: Presence = Presence()

    settings = load(Reader, None, {}, environ={"BACKEND_API_URL": "https://b.example"})
    assert settings.presence.backend.urls == ("https://b.example",)


@pytest.mark.parametrize(
    "key",
    ["2sh0rt", "a" * 64, "change-me-change-me-change-me-change-me", "sample-key-0f3b9c7e5d1a8f2e4c6b", "12345678" * 5],
)
def test_short_and_sample_keys_are_refused(key):
    """Every secret, wherever it stands; the line never repeats it."""
    places = [
        {"internal": {"api_key": key}, "auth": {"secret": KEY}},
        {"internal": {"signing_keys": [{"id": "a", "secret": key}]}, "auth": {"secret": KEY}},
        {"internal": {"api_key": KEY}, "auth": {"secret": key}},
    ]
    for place in places:
        line = refusal(None, place, root=Whole)
        assert line.startswith("command line: ")
        assert "too short" in line or "sample" in line
        assert key not in line


@pytest.mark.parametrize(
    ("internal", "auth", "line"),
    [
        ({}, {"secret": KEY}, "internal: set api_key or signing_keys"),
        ({"api_key": KEY}, {}, "auth: set exactly one of secret and jwks_url"),
        (
            {"api_key": KEY},
            {"secret": KEY, "jwks_url": "https://issuer.example/keys"},
            "command line: auth: set exactly one of secret and jwks_url",
        ),
        (
            {"signing_keys": [{"id": "a", "secret": KEY}, {"id": "a", "secret": OTHER_KEY}]},
            {"secret": KEY},
            "internal: the id a occurs twice",
        ),
    ],
)
def test_who_may_come_in_has_to_be_settled(internal, auth, line):
    """Keys for services, and exactly one way to check users' tokens."""
    assert refusal(None, {"internal": internal, "auth": auth}, root=Whole).endswith(line)


@pytest.mark.parametrize("url", ["http://issuer.example/keys", "file:///etc/passwd", "https://u:p@issuer.example/k"])
def test_keys_are_fetched_over_https_or_from_this_machine(url):
    """What decides who is who does not travel in the clear."""
    assert "must be" in refusal(None, {"internal": {"api_key": KEY}, "auth": {"jwks_url": url}}, root=Whole)
    for fine in ("https://issuer.example/keys", "http://127.0.0.1:8000/keys", "http://localhost/keys"):
        assert AuthSettings(jwks_url=fine).jwks_url == fine


def test_from_an_api_key_alone_a_signing_key_is_derived():
    """The one of the contract, with every scope; configured keys take its place."""
    derived = InternalSettings(api_key=KEY).keys()
    assert derived == {"api-key": derive_key(KEY)}
    assert set(InternalSettings(api_key=KEY, signing_keys=[{"id": "a", "secret": OTHER_KEY}]).keys()) == {"a"}


def test_the_key_to_sign_with_is_the_first_that_has_the_scopes():
    """Rotation puts the newest first; a key without the scope is passed over."""
    internal = InternalSettings(
        signing_keys=[{"id": "reads", "secret": KEY, "scopes": ["read"]}, {"id": "all", "secret": OTHER_KEY}]
    )
    assert internal.key_for("read").id == "reads"
    assert internal.key_for("read", "snapshots").id == "all"
    with pytest.raises(ConfigError, match="none has the scopes admin"):
        InternalSettings(signing_keys=[{"id": "reads", "secret": KEY, "scopes": ["read"]}]).key_for("admin")


def test_keys_as_json_in_the_environment():
    """As the local stack passes them."""
    keys = json.dumps([{"id": "local-1", "secret": KEY, "scopes": ["read", "admin"]}])
    settings = load(Whole, None, {}, environ={"INTERNAL__SIGNING_KEYS": keys, "AUTH__SECRET": OTHER_KEY})
    assert settings.internal.keys()["local-1"].scopes == {"read", "admin"}


def test_secrets_do_not_show_when_settings_are_printed():
    """Somebody will log them one day."""
    settings = load(Whole, None, {"internal": {"api_key": KEY}, "auth": {"secret": OTHER_KEY}}, environ={})
    assert KEY not in repr(settings)
    assert OTHER_KEY not in repr(settings)


def test_a_table_is_not_set_as_one_variable():
    """The line says what to do instead; a variable that only shares a table's name is somebody else's."""
    line = refusal(None, {}, environ={"BACKEND__TELEGRAM": '{"bot_token": "x"}'})
    assert line == "environment variable BACKEND__TELEGRAM: is a table; set what is in it, one by one"
    assert load(Root, None, {}, environ={"BACKEND": "{}"}) == Root()
