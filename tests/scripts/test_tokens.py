"""`scripts/token` and the secrets behind it."""

import argparse
import stat

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from scripts.stack import keyring, tokens


def _decoded(token: str, secret: str) -> dict[str, object]:
    return jwt.decode(token, OctKey.import_key(secret.encode()), algorithms=["HS256"]).claims


def test_the_token_is_the_only_thing_printed_and_carries_what_was_asked(tmp_path, capsys):
    """One line on standard output; list claims are split at commas, `exp` follows --ttl."""
    ring = keyring.load_or_make(tmp_path)
    argv = ["--data", str(tmp_path), "--sub", "u1", "--role", "artist", "--claim", "channels=a,b"]

    assert tokens.main([*argv, "--claim", "artistId=x", "--ttl", "2h"]) == 0

    out, err = capsys.readouterr()
    claims = _decoded(out.removesuffix("\n"), ring.token_secret)
    assert err == ""
    assert claims["exp"] - claims["iat"] == 7200
    assert (claims["sub"], claims["roles"]) == ("u1", ["artist"])
    assert (claims["channels"], claims["artistId"]) == (["a", "b"], "x")


def test_without_secrets_one_line_says_what_to_do(tmp_path, capsys):
    """A folder that no stack has used yet: exit 1 and the command that makes the secrets."""
    assert tokens.main(["--data", str(tmp_path / "none"), "--sub", "u1"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "scripts/up --data" in err


@pytest.mark.parametrize("text", ["", "1", "h", "0h", "-1h", "1w", "1.5h", "99999999h"])
def test_a_duration_that_is_none_is_refused(text):
    """Only whole numbers of s, m, h and d are durations."""
    with pytest.raises(argparse.ArgumentTypeError):
        tokens.seconds(text)


@pytest.mark.parametrize("text", ["channels", "exp=99999999999", "roles=admin", "=x"])
def test_a_claim_that_is_not_one_of_ours_is_refused(text):
    """--claim cannot overwrite the times or the roles of the token."""
    with pytest.raises(argparse.ArgumentTypeError):
        tokens.claim(text)


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path):
    """The second start finds the first one's secrets; the file has mode 0600 and four different values."""
    first = keyring.load_or_make(tmp_path)
    assert keyring.load_or_make(tmp_path) == first
    assert stat.S_IMODE((tmp_path / keyring.FILE_NAME).stat().st_mode) == 0o600
    assert len(set(first)) == 4
    assert len(first.api_key) >= 32


def test_a_damaged_file_is_named_and_left_alone(tmp_path):
    """Secrets that cannot be read are never replaced: data may be signed with them."""
    (tmp_path / keyring.FILE_NAME).write_text("api_key = 1\nother")
    with pytest.raises(keyring.KeyringError, match="move it away"):
        keyring.load_or_make(tmp_path)
    assert (tmp_path / keyring.FILE_NAME).read_text() == "api_key = 1\nother"


def test_secrets_that_cannot_be_read_are_one_clear_error(tmp_path):
    """A folder in the file's place: the error names it."""
    (tmp_path / keyring.FILE_NAME).mkdir()
    with pytest.raises(keyring.KeyringError, match="cannot be read"):
        keyring.load(tmp_path)
