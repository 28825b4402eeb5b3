"""RFC 6455 frames of the server's side: client frames in, whole messages out, and frames to send.

Owns the wire format and nothing else: no socket, no clock. A `MessageReader` is fed bytes in any segmentation and
yields messages; what breaks the protocol raises `ProtocolError` with the close code of RFC 6455 section 7.4.1, after
which the reader must not be used again. Extensions are never negotiated, so reserved bits are always an error.
"""

import base64
import hashlib

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA

NORMAL, GOING_AWAY, PROTOCOL_ERROR, INVALID_DATA, POLICY, TOO_BIG = 1000, 1001, 1002, 1007, 1008, 1009

_CONTINUATION = 0x0
_OPCODES = frozenset((_CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))
_FIN, _RESERVED, _MASKED, _LENGTH, _OPCODE, _CONTROL = 0x80, 0x70, 0x80, 0x7F, 0x0F, 0x08
_MAX_CONTROL = 125
_WHOLE_TEXT, _SHORT_HEAD = _FIN | TEXT, 6
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class ProtocolError(Exception):
    """The peer broke RFC 6455; `code` is what the closing frame says."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def accept_key(key: str) -> bytes:
    """The Sec-WebSocket-Accept value for a client's key (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole, unmasked frame."""
    length = len(payload)
    if length < 126:
        return bytes((_FIN | opcode, length)) + payload
    if length < 65536:
        return bytes((_FIN | opcode, 126)) + length.to_bytes(2, "big") + payload
    return bytes((_FIN | opcode, 127)) + length.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason.encode()[: _MAX_CONTROL - 2])


def closing_code(payload: bytes) -> int | None:
    """The code in the payload of a CLOSE message; None where the peer gave none."""
    return int.from_bytes(payload[:2], "big") if payload else None


class MessageReader:
    """Turns a client's bytes into messages `(opcode, payload)`; a TEXT payload is a str, every other one is bytes.

    `limit` bounds a frame and a reassembled message, in bytes; it is enforced from the header, before the payload has
    arrived. Control frames come out between the fragments of a message, as they were sent.
    """

    __slots__ = ("_buffer", "_limit", "_opcode", "_parts", "_size", "_start")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = b""
        self._start = 0
        self._opcode = 0
        self._parts: list[bytes] | None = None
        self._size = 0

    def feed(self, data: bytes) -> None:
        if self._buffer:
            self._buffer = self._buffer[self._start :] + data
            self._start = 0
        else:
            self._buffer = data

    def only(self, data: bytes) -> str | None:
        """The text of bytes that are one whole short TEXT message and nothing else; None: they are to be fed.

        Most reads are this, pongs among them. Raises ProtocolError.
        """
        length = len(data) - _SHORT_HEAD
        if not 0 < length < 126 or data[0] != _WHOLE_TEXT or data[1] != _MASKED | length:
            return None
        if self._buffer or self._parts is not None or length > self._limit:
            return None
        if length == 1 and (letter := data[_SHORT_HEAD] ^ data[2]) < 0x80:
            return chr(letter)
        return _text(_unmask(data[_SHORT_HEAD:], data[2:_SHORT_HEAD]))

    def next(self) -> tuple[int, str | bytes] | None:
        """The next whole message, None until more bytes are fed; raises ProtocolError."""
        while self._buffer:
            found = self._frame()
            if found is None:
                return None
            first, payload = found
            opcode = first & _OPCODE
            if opcode >= CLOSE:
                if opcode == CLOSE:
                    _check_close(payload)
                return opcode, payload
            if first & _FIN and self._parts is None:
                return opcode, _text(payload) if opcode == TEXT else payload
            message = self._fragment(first, payload)
            if message is not None:
                return message
        return None

    def _frame(self) -> tuple[int, bytes] | None:
        buffer, start = self._buffer, self._start
        available = len(buffer) - start
        if available < 2:
            return None
        first, length = buffer[start], buffer[start + 1] & _LENGTH
        self._check_header(first, buffer[start + 1])
        mask_at = start + 2
        if length >= 126:
            mask_at += 2 if length == 126 else 8
            if len(buffer) < mask_at:
                return None
            length = _extended(length, buffer[start + 2 : mask_at])
        if length + self._size > self._limit and first & _CONTROL == 0:
            raise ProtocolError(TOO_BIG, "message is too big")
        payload_at = mask_at + 4
        end = payload_at + length
        if len(buffer) < end:
            return None
        if len(buffer) == end:
            self._buffer, self._start = b"", 0
        else:
            self._start = end
        return first, _unmask(buffer[payload_at:end], buffer[mask_at:payload_at]) if length else b""

    def _check_header(self, first: int, second: int) -> None:
        opcode = first & _OPCODE
        if first & _RESERVED:
            raise ProtocolError(PROTOCOL_ERROR, "reserved bit is set")
        if opcode not in _OPCODES:
            raise ProtocolError(PROTOCOL_ERROR, "unknown opcode")
        if not second & _MASKED:
            raise ProtocolError(PROTOCOL_ERROR, "frame is not masked")
        if opcode >= CLOSE:
            if not first & _FIN or second & _LENGTH > _MAX_CONTROL:
                raise ProtocolError(PROTOCOL_ERROR, "control frame is fragmented or too long")
        elif (opcode == _CONTINUATION) != (self._parts is not None):
            raise ProtocolError(PROTOCOL_ERROR, "fragment out of place")

    def _fragment(self, first: int, payload: bytes) -> tuple[int, str | bytes] | None:
        if self._parts is None:
            self._parts, self._opcode = [], first & _OPCODE
        if payload:
            self._parts.append(payload)
            self._size += len(payload)
        if not first & _FIN:
            return None
        whole = b"".join(self._parts)
        self._parts, self._size = None, 0
        return self._opcode, _text(whole) if self._opcode == TEXT else whole


def _extended(kind: int, field: bytes) -> int:
    length = int.from_bytes(field, "big")
    if length < (126 if kind == 126 else 65536) or length >> 63:
        raise ProtocolError(PROTOCOL_ERROR, "length is not in its shortest form")
    return length


def _unmask(payload: bytes, mask: bytes) -> bytes:
    # One big-integer xor is the fastest that pure Python has.
    length = len(payload)
    pad = (mask * ((length + 3) >> 2))[:length]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(pad, "little")).to_bytes(length, "little")


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise ProtocolError(INVALID_DATA, "text is not UTF-8") from None


def _check_close(payload: bytes) -> None:
    if not payload:
        return
    code = closing_code(payload)
    if len(payload) == 1 or code is None or not _may_be_sent(code):
        raise ProtocolError(PROTOCOL_ERROR, "bad close code")
    _text(payload[2:])


def _may_be_sent(code: int) -> bool:
    return (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999
