"""Packets from a stream of bytes, however it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mqtt import packets
from gateway.mqtt.packets import Message, Packet, PacketParser, PacketType, ProtocolError

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0#+"), min_size=1, max_size=40)
MESSAGES = st.builds(
    Message, topic=NAMES, payload=st.binary(max_size=300), packet_id=st.integers(0, 0xFFFF), retained=st.booleans()
)


def sent(message: Message) -> bytes:
    return packets.encode_publish(message.topic, message.payload, packet_id=message.packet_id, retain=message.retained)


@given(st.lists(MESSAGES, max_size=8), st.data())
def test_however_a_stream_is_cut_the_messages_are_those_sent(messages, data):
    stream, parser, parsed = b"".join(map(sent, messages)), PacketParser(), []
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        parsed += parser.feed(stream[begin:end])
    assert parsed == messages


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_every_width_of_a_length_is_read(size):
    message = Message("pw", bytes(size), 7, retained=False)
    assert list(PacketParser().feed(sent(message))) == [message]


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes_are_packets_or_a_protocol_error_and_nothing_else(chunks):
    parser = PacketParser()
    try:
        for chunk in chunks:
            for packet in parser.feed(chunk):
                assert isinstance(packet, Message | Packet)
    except ProtocolError:
        pass


@pytest.mark.parametrize("stream", [b"\x30\xff\xff\xff\xff\x01", b"\x30\x01a", b"\x32\x04\x00\x09ab"])
def test_what_is_no_mqtt_is_refused(stream):
    with pytest.raises(ProtocolError):
        list(PacketParser().feed(stream))


def test_a_topic_that_is_no_text_is_handed_on_for_quarantine():
    [message] = PacketParser().feed(b"\x30\x05\x00\x02\xff\xfeX")
    assert message == Message("\ufffd\ufffd", b"X", 0, retained=False)


def test_what_was_published_without_a_number_needs_no_acknowledgement():
    messages = [Message("a", b"", 0, retained=False), Message("a", b"", 258, retained=False)]
    assert packets.encode_puback(messages) == b"\x40\x02\x01\x02"
    assert [p.packet_type for p in PacketParser().feed(packets.encode_puback(messages) + packets.PINGREQ)] == [
        PacketType.PUBACK,
        PacketType.PINGREQ,
    ]
