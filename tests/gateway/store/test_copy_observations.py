"""PostgreSQL reads the COPY stream that numpy builds without losing a bit."""

import math

import numpy as np
import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.decoding.decode import decode_payload, place_observations
from gateway.store.connection import QUERIES
from gateway.store.copy_observations import encode_observations, prepare_records
from tests.gateway.decoding.test_decode import NODE, REGISTRY

_ROW = st.tuples(
    st.integers(1, 2**31 - 1),
    st.integers(-2_208_988_800_000, 7_258_118_400_000),
    st.floats(allow_nan=True, allow_infinity=False),
    st.integers(0, 2**31 - 1),
    st.integers(1, 2**62),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(_ROW, max_size=30))
def test_copied_observations_are_read_back_unchanged(database, rows):
    columns = list(zip(*rows, strict=True)) or [[]] * 5
    kinds = (np.int64, np.int64, np.float64, np.int32, np.int64)
    stream = encode_observations(*(np.array(c, k) for c, k in zip(columns, kinds, strict=True)))
    with psycopg.connect(database) as connection:
        with connection.cursor().copy(QUERIES["copy_observations"]) as copy:
            copy.write(stream)
        stored = connection.execute(
            """SELECT datastream_id, (extract(epoch FROM observed_at) * 1000)::bigint, value, flags, batch_id
               FROM observation"""
        ).fetchall()
        connection.rollback()
    expected = [(*r[:2], None if math.isnan(r[2]) else r[2], *r[3:]) for r in rows]
    order = lambda row: (row[0], row[1], row[3], row[4], repr(row[2]))  # noqa: E731
    assert sorted(stored, key=order) == sorted(expected, key=order)


def test_prepared_records_are_in_index_order_with_their_batch_ids():
    payloads = NODE.payload(), NODE.payload(seq=2, values={"pm2_5": [None, 1.5], "humidity": [50, 51]})
    rows = place_observations([decode_payload(payload, REGISTRY) for payload in payloads], REGISTRY)
    (full, empty), ids = prepare_records(rows, REGISTRY), np.array([700, 701])
    assert len(empty.records) == 0  # a missing value without a flag is no observation
    full.encode_records(ids)
    expected = sorted(
        (REGISTRY.datastreams[slot].id, value, ids[batch])
        for slot, value, batch in zip(rows.datastream, rows.value, rows.batch, strict=True)
    )
    records = [(record["datastream_id"], record["value"], record["batch_id"]) for record in full.records]
    assert sorted(records) == expected
    assert [id_ for id_, _, _ in records] == [id_ for id_, _, _ in expected]
