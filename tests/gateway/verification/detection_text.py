"""A small detection file as one value, so that tests can change every part of it."""

from gateway.verification.detection_file import DetectionHeader, DetectionLeaf, DetectionReader, encode_line


class DetectionFile(DetectionHeader, frozen=True, kw_only=True):
    """Header and leaves."""

    leaves: list[DetectionLeaf]

    def encode(self) -> bytes:
        fields = {name: getattr(self, name) for name in DetectionHeader.__struct_fields__}
        header = DetectionHeader(**{**fields, "leaf_count": len(self.leaves)})
        return b"".join(map(encode_line, (header, *self.leaves)))

    @classmethod
    def parse(cls, content: bytes) -> "DetectionFile":
        reader = DetectionReader(parts_of(content))
        fields = {name: getattr(reader.header, name) for name in DetectionHeader.__struct_fields__}
        return cls(**fields, leaves=list(reader.iterate_leaves()))


def parts_of(content: bytes, size: int = 1_000):
    """Reader of these bytes in parts."""
    return lambda: (content[begin : begin + size] for begin in range(0, len(content), size))
