"""What a client may send, packet by packet."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence_server.engine import packets
from presence_server.engine.packets import ACK, CONNECT, DISCONNECT, EVENT, Assembly, BadPacket, Packet


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("0", Packet(CONNECT, "/", None, None)),
        ("0/admin,", Packet(CONNECT, "/admin", None, None)),
        ("0/admin", Packet(CONNECT, "/admin", None, None)),
        ('0{"token":"t"}', Packet(CONNECT, "/", None, {"token": "t"})),
        ('0/admin,{"token":"t"}', Packet(CONNECT, "/admin", None, {"token": "t"})),
        ("1", Packet(DISCONNECT, "/", None, None)),
        ("1/admin,", Packet(DISCONNECT, "/admin", None, None)),
        ('2["hey"]', Packet(EVENT, "/", None, ["hey"])),
        ('213["hey",{"a":1}]', Packet(EVENT, "/", 13, ["hey", {"a": 1}])),
        ('2/admin,0["hey"]', Packet(EVENT, "/admin", 0, ["hey"])),
        ("3/admin,456[]", Packet(ACK, "/admin", 456, [])),
        (
            '51-["hey",{"_placeholder":true,"num":0}]',
            Packet(EVENT, "/", None, ["hey", {"_placeholder": True, "num": 0}], 1),
        ),
        ("60-7[]", Packet(ACK, "/", 7, [], 0)),
        ("2[1]", Packet(EVENT, "/", None, [1])),
    ],
)
def test_a_proper_packet_is_understood(text, packet):
    """The examples of the socket.io-protocol document and their kin."""
    assert packets.decode(text) == packet


@pytest.mark.parametrize(
    "text",
    [
        "", "7", "abc", "true", "true[]", "2", "2{}", "2[]", "2null", "2true", "2\"a\"", "2[null]", "2[true]", "2[{}]",
        '2["connect"]', '2["connect_error"]', '2["disconnect"]', '2["disconnecting"]', '2["newListener"]',
        '2["removeListener"]', '2["a"', '2["a"]x', '2["a",NaN]', '2["a",Infinity]', '2["a",-Infinity]', '2["a",1e999]',
        '2["a","\\ud800"]', "0[]", "0null", '0"a"', "01", "1{}", "1[]", "12", "3[]", "3", "31{}", "31", "4",
        '4{"message":""}', '5["a"]', '5-["a"]', '51["a"]', '511-["a"]', '5-1-["a"]', '21-["a"]', '2-["a"]',
        "0/" + "n" * 200,
        "3" + "1" * 16 + "[]", "2\u0661[\"a\"]", "\u0662[\"a\"]", "51\u0661-[\"a\"]",
        '2["a",' + "[" * 65 + "]" * 65 + "]", '2["a",' + "[" * 5000 + "]" * 5000 + "]",
        '2["a",' + '{"a":' * 65 + "1" + "}" * 65 + "]",
    ],
)  # fmt: skip
def test_what_clients_must_not_send_is_refused(text):
    """Types, ids, names, JSON, nesting and attachments are checked before anything is done."""
    with pytest.raises(BadPacket):
        packets.decode(text)


def test_wide_is_not_deep():
    """Many brackets beside each other are no nesting."""
    assert packets.decode('2["a",[' + ",".join(["[]"] * 500) + "]]").data[1] == [[]] * 500


@given(st.text(max_size=60))
def test_any_text_is_a_packet_or_refused(text):
    """No other exception leaves the decoder."""
    for prefix in ("", "2", '2["a",', "51-"):
        with contextlib.suppress(BadPacket):
            packets.decode(prefix + text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), children, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=3), st.sampled_from(["/", "/admin"]), st.none() | st.integers(0, 10**9))
def test_what_is_encoded_decodes_to_the_same(arguments, namespace, ack_id):
    """Encoder and decoder speak the same language."""
    text = packets.encode(EVENT, namespace, ["name", *arguments], ack_id).decode()
    assert text[0] == "4"
    assert packets.decode(text[1:]) == Packet(EVENT, namespace, ack_id, ["name", *arguments])


def test_what_json_cannot_say_is_sent_as_null():
    """A NaN in one field does not knock out the receivers."""
    assert packets.encode(EVENT, "/", ["a", float("nan"), float("inf")]) == b'42["a",null,null]'


def test_deep_data_cannot_be_sent_but_fails_as_a_type_error():
    """The caller hears it; no RecursionError escapes."""
    deep = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises((TypeError, ValueError)):
        packets.encode_any(EVENT, "/", ["a", deep])


def test_attachments_are_put_where_their_placeholders_were():
    """A binary event arrives whole, whatever the order of placeholders."""
    text, attachments = packets.encode_any(EVENT, "/b", ["a", {"x": [b"one", 2]}, b"two"], 5)
    packet = packets.decode(text.decode()[1:])
    assembly = Assembly(packet, 100)
    assert assembly.add(attachments[0]) is None
    whole = assembly.add(attachments[1])
    assert whole == Packet(EVENT, "/b", 5, ["a", {"x": [b"one", 2]}, b"two"])


@pytest.mark.parametrize("num", ["1", "-1", "0.0", '"0"', "true", "null", "[]"])
def test_a_placeholder_must_name_an_attachment(num):
    """An index out of range, or none at all, is refused."""
    packet = packets.decode('51-["a",{"_placeholder":true,"num":' + num + "}]")
    with pytest.raises(BadPacket):
        Assembly(packet, 100).add(b"x")


def test_attachments_are_bounded_together():
    """The limit is one for all of them."""
    assembly = Assembly(packets.decode('52-["a",{"_placeholder":true,"num":0}]'), 10)
    assert assembly.add(b"12345") is None
    with pytest.raises(BadPacket):
        assembly.add(b"123456")


def test_a_payload_is_packets_between_separators():
    """Text as it is, binary as base64 behind a b."""
    assert packets.decode_payload(b"4hello\x1e2\x1ebAQIDBA==") == ["4hello", "2", b"\x01\x02\x03\x04"]
    assert packets.encode_payload(["4hello", b"\x01\x02\x03\x04"]) == "4hello\x1ebAQIDBA=="


@pytest.mark.parametrize("body", [b"", b"\x1e", b"4a\x1e", b"b###", b"bAQ", b"4\xff"])
def test_a_broken_payload_is_refused(body):
    """Empty packets, bad base64, bad UTF-8."""
    with pytest.raises(BadPacket):
        packets.decode_payload(body)


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\x1e", exclude_categories=["Cs"]), min_size=1).map(lambda t: "4" + t)
        | st.binary()
    )
)
def test_payloads_survive_the_round_trip(sent):
    """Any packets, any order."""
    if sent:
        assert packets.decode_payload(packets.encode_payload(sent).encode()) == sent


def test_the_root_namespace_and_json_are_written_compactly():
    """The bytes on the wire are those of the protocol document."""
    assert packets.encode(CONNECT, "/", {"sid": "x"}) == b'40{"sid":"x"}'
    assert packets.encode(DISCONNECT, "/admin") == b"41/admin,"
    assert packets.encode(ACK, "/admin", ["a"], 3) == b'43/admin,3["a"]'
    assert json.loads(packets.encode(EVENT, "/", ["a", "ü"])[2:]) == ["a", "ü"]
