"""Strict checks of Engine.IO v4 payloads and Socket.IO v5 packets, and their encoding.

Owns the grammar of packets: what a client may send and what it means. Knows nothing of connections, sids or handlers.
Whatever a client must not send raises `BadPacket`; the connection it came on is to be closed. Protocol documents:
engine.io-protocol (version 4) and socket.io-protocol (version 5).
"""

import base64
import binascii
import re
from typing import Any, NamedTuple

import orjson

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)

ROOT = "/"
SEPARATOR = "\x1e"
RESERVED_EVENTS = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"),
)
MAX_DEPTH = 64
MAX_ATTACHMENTS = 10

# type, attachments, namespace, ack id, JSON; digits are ASCII ones and an id stays exact in JavaScript
_PACKET = re.compile(r"([0-6])(?:([0-9]{1,3})-)?(?:(/[^,]{0,127})(?:,|\Z))?([0-9]{0,15})(.*)", re.DOTALL)
_BINARY = {BINARY_EVENT: EVENT, BINARY_ACK: ACK}


class BadPacket(Exception):  # noqa: N818 - a fact about the peer, not a failure of ours
    """A client sent what the protocol does not allow."""


class Packet(NamedTuple):
    """A checked Socket.IO packet; binary kinds appear as EVENT and ACK with `attachments` still to come."""

    kind: int
    namespace: str
    id: int | None
    data: Any
    attachments: int = 0


def decode_payload(body: bytes) -> list[str | bytes]:
    """The packets of one polling request: text packets as str, binary messages as bytes."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise BadPacket("payload is not UTF-8") from None
    return [_from_base64(part[1:]) if part[:1] == "b" else _not_empty(part) for part in text.split(SEPARATOR)]


def encode_payload(packets: list[str | bytes]) -> str:
    """The body that carries these packets to a polling client."""
    return SEPARATOR.join(p if isinstance(p, str) else "b" + base64.b64encode(p).decode() for p in packets)


def _not_empty(part: str) -> str:
    if not part:
        raise BadPacket("empty packet")
    return part


def _from_base64(part: str) -> bytes:
    try:
        return base64.b64decode(part, validate=True)
    except (binascii.Error, ValueError):
        raise BadPacket("binary packet is not base64") from None


def decode(text: str) -> Packet:
    """The Socket.IO packet in the text of one Engine.IO message."""
    if text == "0":
        return _BARE_CONNECT
    match = _PACKET.match(text)
    if match is None:
        raise BadPacket("not a packet")
    number, count, namespace, ack_id, content = match.groups()
    kind = int(number)
    attachments = _attachments(kind, count) if count or kind in _BINARY else 0
    data = _loads(content) if content else None
    packet = Packet(_BINARY.get(kind, kind), namespace or ROOT, int(ack_id) if ack_id else None, data, attachments)
    _check(packet, has_data=bool(content))
    return packet


def _attachments(kind: int, count: str | None) -> int:
    if (count is not None) != (kind in _BINARY):
        raise BadPacket("attachments out of place")
    number = int(count or 0)
    if number > MAX_ATTACHMENTS:
        raise BadPacket("too many attachments")
    return number


def _loads(content: str) -> Any:
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise BadPacket("not JSON") from None
    # Every level of nesting costs a bracket: most packets are settled by two counts.
    if content.count("[") + content.count("{") > MAX_DEPTH and _depth(data) > MAX_DEPTH:
        raise BadPacket("nested too deeply")
    return data


def _depth(data: Any) -> int:
    level, depth = [data], 0
    while level and depth <= MAX_DEPTH:
        containers = [item for item in level if isinstance(item, (list, dict))]
        depth += bool(containers)
        level = [child for item in containers for child in (item.values() if isinstance(item, dict) else item)]
    return depth


def _check(packet: Packet, *, has_data: bool) -> None:
    kind, data = packet.kind, packet.data
    if kind == EVENT:
        _check_event(data)
    elif kind == ACK:
        if packet.id is None or not isinstance(data, list):
            raise BadPacket("malformed acknowledgement")
    elif packet.id is not None:
        raise BadPacket("an id out of place")
    elif kind == CONNECT:
        if has_data and not isinstance(data, dict):
            raise BadPacket("malformed authentication")
    elif kind == CONNECT_ERROR or has_data:
        raise BadPacket("not for clients to send")


def _check_event(data: Any) -> None:
    if not isinstance(data, list) or not data:
        raise BadPacket("malformed event")
    name = data[0]
    if isinstance(name, str):
        if name in RESERVED_EVENTS:
            raise BadPacket("reserved event name")
    elif type(name) not in (int, float):
        raise BadPacket("malformed event name")


_BARE_CONNECT = Packet(CONNECT, ROOT, None, None)


class Assembly:
    """A packet that waits for its attachments; `limit` bounds their bytes together."""

    __slots__ = ("_parts", "_room", "packet")

    def __init__(self, packet: Packet, limit: int) -> None:
        self.packet = packet
        self._parts: list[bytes] = []
        self._room = limit

    def add(self, attachment: bytes) -> Packet | None:
        """Take the next attachment; the whole packet when it was the last."""
        self._room -= len(attachment)
        if self._room < 0:
            raise BadPacket("attachments are too big")
        self._parts.append(attachment)
        if len(self._parts) < self.packet.attachments:
            return None
        return self.packet._replace(data=_fill(self.packet.data, self._parts), attachments=0)


def _fill(data: Any, parts: list[bytes]) -> Any:
    if isinstance(data, list):
        return [_fill(item, parts) for item in data]
    if not isinstance(data, dict):
        return data
    if data.get("_placeholder") is not True:
        return {key: _fill(value, parts) for key, value in data.items()}
    number = data.get("num")
    if type(number) is not int or not 0 <= number < len(parts):
        raise BadPacket("placeholder without an attachment")
    return parts[number]


def encode(kind: int, namespace: str = ROOT, data: Any = None, ack_id: int | None = None) -> bytes:
    """The text of an Engine.IO message (type digit included) that carries a packet without binary data.

    NaN and infinities become null. Raises TypeError for what JSON cannot say, bytes among it.
    """
    head = f"4{kind}" if namespace == ROOT else f"4{kind}{namespace},"
    if ack_id is not None:
        head += str(ack_id)
    return head.encode() if data is None else head.encode() + orjson.dumps(data)


def encode_any(kind: int, namespace: str, data: Any, ack_id: int | None = None) -> tuple[bytes, list[bytes]]:
    """As `encode`, for data that may hold bytes: the text and the attachments that follow it."""
    try:
        return encode(kind, namespace, data, ack_id), []
    except TypeError:
        attachments: list[bytes] = []
        emptied = _take_out(data, attachments, MAX_DEPTH)
        if not attachments:
            raise
        binary = {EVENT: BINARY_EVENT, ACK: BINARY_ACK}[kind]
        head = f"4{binary}{len(attachments)}-" + ("" if namespace == ROOT else f"{namespace},")
        return (head + ("" if ack_id is None else str(ack_id))).encode() + orjson.dumps(emptied), attachments


def _take_out(data: Any, attachments: list[bytes], depth: int) -> Any:
    if depth < 0:
        raise ValueError("nested too deeply to be sent")
    if isinstance(data, (bytes, bytearray)):
        attachments.append(bytes(data))
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(data, (list, tuple)):
        return [_take_out(item, attachments, depth - 1) for item in data]
    if isinstance(data, dict):
        return {key: _take_out(value, attachments, depth - 1) for key, value in data.items()}
    return data
