"""Seen: which texts of a run are new."""

from hypothesis import given
from hypothesis import strategies as st

from veclab.pipeline.distinct import Seen

# Few values, so that many are met again; the first 8 bytes are what counts.
DIGESTS = st.integers(0, 500).map(lambda i: (i * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8) + bytes(8))


@given(st.lists(st.lists(DIGESTS, unique=True, max_size=60), max_size=12))
def test_it_tells_what_a_set_would_tell(blocks):
    seen, known = Seen(), set()
    for block in blocks:
        assert seen.add(block).tolist() == [digest not in known for digest in block]
        known.update(block)
