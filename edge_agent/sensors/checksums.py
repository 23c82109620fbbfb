"""Checksums of the sensors' protocols. Pure; CRC-CCITT (Davis) is `binascii.crc_hqx` of the standard library."""


def _build_crc8_table() -> bytes:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc << 1) ^ 0x31 if crc & 0x80 else crc << 1
        table.append(crc & 0xFF)
    return bytes(table)


_CRC8_TABLE = _build_crc8_table()


def crc8(data: bytes) -> int:
    """CRC-8 of Sensirion: polynomial 0x31, initial value 0xFF, no reflection, no final xor; CRC(BE EF) = 0x92."""
    crc = 0xFF
    for byte in data:
        crc = _CRC8_TABLE[crc ^ byte]
    return crc


def crc16(data: bytes) -> int:
    """CRC-16 of Modbus and of the OPC-N3: polynomial 0xA001 reflected, initial value 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def xor_checksum(data: bytes) -> int:
    """Exclusive or of all bytes, as in NMEA 0183 and the ASCII lines of Gill."""
    result = 0
    for byte in data:
        result ^= byte
    return result
