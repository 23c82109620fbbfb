"""Foreign nodes: from a message of somebody else's sensor to values in our units. Pure.

Each format is a file with `parse(message) -> list[ForeignReading]`; `formats` lists them. A message that is none of its
format raises RefusedError with one sentence for the person who configured the sender. A value that is none costs
itself and has a reason; the others are read. Nothing here knows a clock, a network or a database.
"""
