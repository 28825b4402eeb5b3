"""`scripts/token`: prints a JWT that the local stack accepts. Also mints the tokens in the links of `scripts/up`."""

import argparse
import re
import sys
import time
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import OctKey

from scripts.stack import keyring

ROLES = ("admin", "teacher", "station_owner", "artist", "user")
LIST_CLAIMS = ("channels", "auctions")
SCALAR_CLAIMS = ("artistId", "teacherId", "name")
_CLAIM_HELP = "what the user owns: channels=a,b auctions=a,b artistId=ID teacherId=ID; may repeat"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def mint(secret: str, claims: dict[str, object], *, now: float, ttl_seconds: int) -> str:
    """An HS256 JWT with `claims`, issued at `now` and valid for `ttl_seconds`."""
    stamped = {**claims, "iat": int(now), "exp": int(now) + ttl_seconds}
    return jwt.encode({"alg": "HS256"}, stamped, OctKey.import_key(secret.encode()))


def seconds(text: str) -> int:
    """`90s`, `30m`, `1h`, `7d` in seconds."""
    match = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"'{text}' is not a duration such as 30m, 1h or 7d")
    return int(match[1]) * _UNITS[match[2]]


def claim(text: str) -> tuple[str, object]:
    """`channels=a,b` as a list claim, `artistId=a1` as a text claim."""
    name, equals, value = text.partition("=")
    if not equals or name not in LIST_CLAIMS + SCALAR_CLAIMS:
        known = ", ".join(LIST_CLAIMS + SCALAR_CLAIMS)
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=VALUE with a NAME of {known}")
    return name, [item for item in value.split(",") if item] if name in LIST_CLAIMS else value


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/token", description="Prints a user token (JWT) for the local stack.")
    parser.add_argument("--data", type=Path, default=Path("var"), metavar="DIR", help="the stack's folder (./var)")
    parser.add_argument("--sub", required=True, metavar="ID", help="the user's id")
    parser.add_argument("--role", action="append", default=[], choices=ROLES, help="may repeat")
    parser.add_argument("--claim", action="append", default=[], type=claim, metavar="NAME=VALUE", help=_CLAIM_HELP)
    parser.add_argument("--ttl", type=seconds, default="1h", metavar="TIME", help="30m, 1h, 7d (1h)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Prints the token; exit 1 with one line when the folder has no secrets."""
    options = _arguments(argv)
    try:
        secret = keyring.load(options.data).token_secret
    except FileNotFoundError:
        print(f"no {keyring.FILE_NAME} in {options.data}: start scripts/up --data {options.data} once", file=sys.stderr)
        return 1
    except keyring.KeyringError as error:
        print(error, file=sys.stderr)
        return 1
    claims = {"sub": options.sub, "roles": options.role, **dict(options.claim)}
    print(mint(secret, claims, now=time.time(), ttl_seconds=options.ttl))
    return 0


if __name__ == "__main__":
    sys.exit(main())
