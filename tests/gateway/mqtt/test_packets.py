"""The packet parser returns the same packets however the stream of bytes is split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mqtt import packets
from gateway.mqtt.packets import MAX_PACKET_BYTES, Message, Packet, PacketParser, PacketType, ProtocolError

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0#+"), min_size=1, max_size=40)
MESSAGES = st.builds(
    Message, topic=NAMES, payload=st.binary(max_size=300), packet_id=st.integers(0, 0xFFFF), retained=st.booleans()
)


def encode_message(message: Message) -> bytes:
    return packets.encode_publish(message.topic, message.payload, packet_id=message.packet_id, retain=message.retained)


@given(st.lists(MESSAGES, max_size=8), st.data())
def test_messages_are_parsed_however_the_stream_is_split(messages, data):
    stream, parser, parsed = b"".join(map(encode_message, messages)), PacketParser(), []
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        parsed += parser.feed(stream[begin:end])
    assert parsed == messages


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 1 << 20, MAX_PACKET_BYTES - 6])
def test_lengths_of_one_to_four_bytes_are_decoded(size):
    message = Message("pw", bytes(size), 7, retained=False)
    assert list(PacketParser().feed(encode_message(message))) == [message]


@pytest.mark.parametrize("size", [MAX_PACKET_BYTES - 5, MAX_PACKET_BYTES + 100, 9 << 20])
@pytest.mark.parametrize("step", [1 << 18, 700_001, 1 << 30])
def test_a_too_long_message_is_cut_and_the_next_message_is_complete(size, step):
    after = [Message("pw", b"next", 8, retained=False), Message("pw", b"", 9, retained=True)]
    stream = b"".join(map(encode_message, [Message("pw", b"\x30" * size, 7, retained=False), *after]))
    parser, parsed, held = PacketParser(), [], 0
    for begin in range(0, len(stream), step):
        parsed += parser.feed(stream[begin : begin + step])
        held = max(held, len(parser._buffer))
    assert parsed == [Message("pw", b"\x30" * (MAX_PACKET_BYTES - 6), 7, retained=False), *after]
    assert held < MAX_PACKET_BYTES + 10


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes_give_packets_or_a_protocol_error(chunks):
    parser = PacketParser()
    try:
        for chunk in chunks:
            for packet in parser.feed(chunk):
                assert isinstance(packet, Message | Packet)
    except ProtocolError:
        pass


@pytest.mark.parametrize("stream", [b"\x30\xff\xff\xff\xff\x01", b"\x30\x01a", b"\x32\x04\x00\x09ab"])
def test_malformed_packets_raise_a_protocol_error(stream):
    with pytest.raises(ProtocolError):
        list(PacketParser().feed(stream))


def test_a_topic_that_is_not_utf8_is_passed_on_for_quarantine():
    [message] = PacketParser().feed(b"\x30\x05\x00\x02\xff\xfeX")
    assert message == Message("\ufffd\ufffd", b"X", 0, retained=False)


def test_messages_without_a_packet_id_are_not_acknowledged():
    messages = [Message("a", b"", 0, retained=False), Message("a", b"", 258, retained=False)]
    assert packets.encode_puback(messages) == b"\x40\x02\x01\x02"
    assert [p.packet_type for p in PacketParser().feed(packets.encode_puback(messages) + packets.PINGREQ)] == [
        PacketType.PUBACK,
        PacketType.PINGREQ,
    ]
