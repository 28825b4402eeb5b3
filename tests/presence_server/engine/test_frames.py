"""RFC 6455 frames, driven without a socket: every segmentation of the bytes gives the same messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence_server.engine import frames
from presence_server.engine.frames import BINARY, CLOSE, PING, PONG, TEXT, MessageReader, ProtocolError

LIMIT = 70_000
MASK = b"\x01\x7f\x80\xfe"


def client_frame(opcode, payload, *, fin=True, mask=MASK, first=None):
    head = bytes([(0x80 if fin else 0) | opcode if first is None else first])
    length = len(payload)
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 65536:
        head += bytes([0x80 | 126]) + length.to_bytes(2, "big")
    else:
        head += bytes([0x80 | 127]) + length.to_bytes(8, "big")
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def read(chunks, limit=LIMIT):
    """Everything the reader says: messages, then the close code of an error if there was one."""
    reader, found = MessageReader(limit), []
    for chunk in chunks:
        reader.feed(chunk)
        try:
            while (message := reader.next()) is not None:
                found.append(message)
        except ProtocolError as error:
            found.append(error.code)
            return found
    return found


def text(content, **options):
    return client_frame(TEXT, content.encode(), **options)


STREAM = (
    text("2probe")
    + client_frame(TEXT, "häl".encode()[:2], fin=False)
    + client_frame(PING, b"are you there")
    + client_frame(0, "häl".encode()[2:] + b"lo", fin=True)
    + client_frame(BINARY, bytes(range(200)))
    + text("x" * 130)
    + client_frame(PONG, b"")
    + text("")
    + client_frame(CLOSE, b"\x03\xe8bye")
)
MESSAGES = [
    (TEXT, "2probe"),
    (PING, b"are you there"),
    (TEXT, "hällo"),
    (BINARY, bytes(range(200))),
    (TEXT, "x" * 130),
    (PONG, b""),
    (TEXT, ""),
    (CLOSE, b"\x03\xe8bye"),
]


def test_every_split_in_two_gives_the_same_messages():
    """Wherever the stream is cut, the messages are those of the whole."""
    for cut in range(len(STREAM) + 1):
        assert read([STREAM[:cut], STREAM[cut:]]) == MESSAGES, cut


def test_byte_by_byte_gives_the_same_messages():
    """One byte at a time is a segmentation like any other."""
    assert read(STREAM[i : i + 1] for i in range(len(STREAM))) == MESSAGES


messages = st.lists(
    st.one_of(
        st.tuples(st.just(TEXT), st.text(max_size=300)),
        st.tuples(st.just(BINARY), st.binary(max_size=300)),
        st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125)),
    ),
    max_size=6,
)


@given(messages, st.lists(st.integers(1, 400), max_size=30), st.binary(min_size=4, max_size=4), st.data())
def test_any_messages_fragmented_and_cut_anyhow_arrive_as_they_were(sent, sizes, mask, data):
    """Fragmentation by the client and segmentation by the network leave no trace."""
    stream = b""
    for opcode, content in sent:
        payload = content.encode() if isinstance(content, str) else content
        cut = data.draw(st.integers(0, len(payload))) if opcode in (TEXT, BINARY) else None
        if cut is None or data.draw(st.booleans()):
            stream += client_frame(opcode, payload, mask=mask)
        else:
            stream += client_frame(opcode, payload[:cut], fin=False, mask=mask)
            stream += client_frame(0, payload[cut:], mask=mask)
    chunks, at = [], 0
    for size in sizes:
        chunks.append(stream[at : at + size])
        at += size
    assert read([*chunks, stream[at:]]) == sent


@given(st.binary(max_size=200), st.integers(0, 200))
def test_garbage_is_read_or_refused_but_never_raises_anything_else(garbage, cut):
    """Whatever bytes come, in whatever segments, the reader says the same and fails only as a protocol error."""
    assert read([garbage]) == read([garbage[:cut], garbage[cut:]])


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"\x81\x05hello", 1002),  # not masked
        (client_frame(TEXT, b"a", first=0xC1), 1002),
        (client_frame(TEXT, b"a", first=0xA1), 1002),
        (client_frame(TEXT, b"a", first=0x91), 1002),
        *((client_frame(opcode, b""), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
        (client_frame(PING, b"a", fin=False), 1002),
        (client_frame(PING, b"a" * 126), 1002),
        (client_frame(0, b"a"), 1002),  # a continuation of nothing
        (text("a", fin=False) + text("b"), 1002),  # a new message inside a message
        (b"\x81\xfe\x00\x05" + MASK, 1002),  # not the shortest form
        (b"\x81\xff" + (65535).to_bytes(8, "big") + MASK, 1002),
        (b"\x81\xff" + (1 << 63 | 5).to_bytes(8, "big") + MASK, 1002),
        (client_frame(TEXT, b"\xff"), 1007),
        (client_frame(TEXT, b"\xed\xa0\x80"), 1007),  # a surrogate
        (client_frame(TEXT, b"\xc3", fin=False) + client_frame(0, b"\x28"), 1007),
        (client_frame(CLOSE, b"\x03"), 1002),
        *(
            (client_frame(CLOSE, code.to_bytes(2, "big")), 1002)
            for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000)
        ),
        (client_frame(CLOSE, b"\x03\xe8\xff"), 1007),
    ],
)
def test_what_the_protocol_forbids_is_refused_with_its_code(stream, code):
    """Masks, reserved bits, opcodes, control frames, fragments, lengths, UTF-8 and close codes are checked."""
    assert read([stream])[-1] == code
    assert read(stream[i : i + 1] for i in range(len(stream)))[-1] == code


def test_a_message_up_to_the_limit_passes_and_one_byte_more_does_not():
    """The limit holds for one frame and for the sum of the fragments."""
    assert read([client_frame(BINARY, b"a" * 1000)], 1000) == [(BINARY, b"a" * 1000)]
    assert read([client_frame(BINARY, b"a" * 1001)], 1000) == [1009]
    parts = client_frame(BINARY, b"a" * 600, fin=False) + client_frame(0, b"a" * 401)
    assert read([parts], 1000) == [1009]


def test_a_message_that_announces_too_much_is_refused_before_it_arrives():
    """The header suffices: nothing of a gigabyte is buffered."""
    assert read([b"\x82\xff" + (1 << 30).to_bytes(8, "big")]) == [1009]


@pytest.mark.parametrize("length", [0, 125, 126, 65535, 65536])
def test_a_frame_we_send_has_the_length_in_its_shortest_form(length):
    """Seven bits, 16 or 64, as RFC 6455 section 5.2 says; server frames are not masked."""
    sent = frames.frame(TEXT, b"a" * length)
    head = {0: 2, 125: 2, 126: 4, 65535: 4, 65536: 10}[length]
    assert len(sent) == head + length and sent[0] == 0x81 and sent[1] & 0x80 == 0
    assert int.from_bytes(sent[2:head], "big") == (length if length > 125 else 0)


def test_the_key_is_answered_as_in_the_rfc():
    """The example of RFC 6455 section 1.3."""
    assert frames.accept_key("dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_long_reason_is_cut_so_that_the_close_frame_stays_a_control_frame():
    """A control frame holds 125 bytes."""
    assert len(frames.close_frame(1002, "r" * 300)) == 127


SHORT = ["3", "é", "2", "42[1]", "x" * 125]
NEAR = [
    *(text(content) for content in SHORT),
    text("x" * 126),
    client_frame(PING, b"hi"),
    client_frame(TEXT, b"3", fin=False),
    client_frame(TEXT, b"3", first=0xC1),
    client_frame(BINARY, b"3"),
    b"\x81\x01\x00\x00\x00\x003",
]


@pytest.mark.parametrize("content", SHORT)
def test_a_lone_short_text_is_read_at_once(content):
    """Without having been fed."""
    assert MessageReader(LIMIT).only(text(content)) == content


@given(st.lists(st.tuples(st.sampled_from(NEAR), st.integers(0, 140)), min_size=1, max_size=3))
def test_the_short_way_gives_what_the_long_way_gives(pieces):
    """Or leaves the bytes to it: parts of frames, several of them, and frames of any other kind."""
    data = b"".join(frame[:cut] for frame, cut in pieces)
    found = MessageReader(LIMIT).only(data)
    assert found is None or read([data]) == [(TEXT, found)]


def test_the_short_way_checks_what_it_reads():
    """Text that is not UTF-8 is refused with the same code, over the limit it is left to the long way."""
    for payload in (b"\xff", b"ab\xff"):
        with pytest.raises(ProtocolError) as error:
            MessageReader(LIMIT).only(client_frame(TEXT, payload))
        assert [error.value.code] == read([client_frame(TEXT, payload)])
    assert MessageReader(4).only(text("12345")) is None


def test_the_short_way_is_closed_behind_a_part_and_within_a_fragmented_message():
    """What was begun has to be ended first."""
    for begun in (text("42[1]")[:3], client_frame(TEXT, b"4", fin=False)):
        reader = MessageReader(LIMIT)
        reader.feed(begun)
        assert reader.next() is None
        assert reader.only(text("3")) is None
