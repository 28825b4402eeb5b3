"""What `scripts/up` prints once everything is ready: where the programs are, links that open a page with a token."""

from pathlib import Path

from scripts.stack.plan import Addresses
from scripts.stack.tokens import mint

LINK_TTL_SECONDS = 12 * 3600
DEMO_CHANNEL = "demo"
DEMO_TEACHER = "demo-teacher"
DEMO_LEARNER = "demo-learner"
DEMO_AUCTIONS = ("auction:demo", "auction:vintage-guitar", "auction:night-train")


def describe(where: Addresses, secret: str | None, *, data: Path, redis_url: str | None, now: float) -> str:
    """Several lines for a person. Without a `secret` the links carry no token: the operator's own users have them."""
    backend = where.public_backend
    room = DEMO_AUCTIONS[0]
    token = _fragment(secret, now, sub="local-admin", roles=["admin"])
    teacher = _fragment(secret, now, sub=DEMO_TEACHER, roles=["teacher"], teacherId=DEMO_TEACHER)
    rows = [
        ("overview", f"{backend}/{token}"),
        ("a live page", f"{backend}/live/{room}"),
        ("its history", f"{backend}/viewers/{room}{token}"),
        ("engagement", f"{backend}/admin/stats{token}"),
        ("a player", f"{backend}/demo/player/{DEMO_CHANNEL}"),
        ("its channel", f"{backend}/station-owner/control-panel?channel={DEMO_CHANNEL}{token}"),
        ("a teacher", f"{backend}/teacher{teacher}"),
        ("lessons", f"{backend}/admin/teacher-sessions{token}"),
        ("study time", f"{backend}/study/{DEMO_LEARNER}{token}"),
        ("API", f"{backend}/docs"),
        *(("sockets", f"{url}{where.socket_path}") for url in where.public_presence),
        *([("redis", redis_url)] if redis_url else []),
        ("data, logs", str(data)),
    ]
    lines = [f"  {name:<12} {url}" for name, url in rows]
    if len(where.public_presence) > 1:
        lines.append(
            "Pages connect to the first of the sockets; a client of your own may choose any: all count together."
        )
    return "\n".join(["Ready.", *lines, "Ctrl-C stops everything."])


def describe_seeded(backend: str, secret: str, *, artist: str, now: float) -> str:
    """Where what was invented is to be seen."""
    backend = backend.rstrip("/")
    token = _fragment(secret, now, sub="local-admin", roles=["admin"])
    teacher = _fragment(secret, now, sub=DEMO_TEACHER, roles=["teacher"], teacherId=DEMO_TEACHER)
    rows = [
        ("engagement", f"{backend}/admin/stats{token}"),
        ("an artist", f"{backend}/artist/dashboard?artistId={artist}{token}"),
        ("a room", f"{backend}/viewers/{DEMO_AUCTIONS[0]}{token}"),
        ("a channel", f"{backend}/station-owner/control-panel?channel={DEMO_CHANNEL}{token}"),
        ("a teacher", f"{backend}/teacher{teacher}"),
        ("lessons", f"{backend}/admin/teacher-sessions{token}"),
        ("statements", f"{backend}/admin/statements{token}"),
        ("study time", f"{backend}/study/{DEMO_LEARNER}{token}"),
    ]
    return "\n".join(f"  {name:<12} {url}" for name, url in rows)


def _fragment(secret: str | None, now: float, **claims: object) -> str:
    """The end of a link that opens a page as this user."""
    return "" if secret is None else f"#token={mint(secret, claims, now=now, ttl_seconds=LINK_TTL_SECONDS)}"
