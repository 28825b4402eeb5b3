"""What `scripts/up` prints once everything is ready: where the programs are, links that open a page with a token."""

from pathlib import Path

from scripts.stack.plan import Ports
from scripts.stack.tokens import mint

LINK_TTL_SECONDS = 12 * 3600
DEMO_CHANNEL = "demo"
DEMO_AUCTIONS = ("auction:demo", "auction:vintage-guitar", "auction:night-train")


def describe(ports: Ports, secret: str | None, *, data: Path, now: float) -> str:
    """Several lines for a person. Without a `secret` the links carry no token: the operator's own users have them."""
    backend, presence = (f"http://127.0.0.1:{port}" for port in ports)
    room = DEMO_AUCTIONS[0]
    token = ""
    if secret is not None:
        claims: dict[str, object] = {"sub": "local-admin", "roles": ["admin"]}
        token = f"#token={mint(secret, claims, now=now, ttl_seconds=LINK_TTL_SECONDS)}"
    rows = [
        ("overview", f"{backend}/{token}"),
        ("a live page", f"{backend}/live/{room}"),
        ("its history", f"{backend}/viewers/{room}{token}"),
        ("a player", f"{backend}/demo/player/{DEMO_CHANNEL}"),
        ("its channel", f"{backend}/station-owner/control-panel?channel={DEMO_CHANNEL}{token}"),
        ("API", f"{backend}/docs"),
        ("sockets", f"{presence}/socket.io/"),
        ("data, logs", str(data)),
    ]
    lines = [f"  {name:<12} {url}" for name, url in rows]
    return "\n".join(["Ready.", *lines, "Ctrl-C stops everything."])
