"""Names that nobody can guess, made by the hundred."""

import base64

from presence_server.engine.sids import Sids


def test_no_two_are_alike_however_many_are_made():
    """Across the batches they are made in, and between two makers."""
    one, other = Sids(), Sids()
    made = [one.new() for _ in range(1_000)] + [other.new() for _ in range(1_000)]
    assert len(set(made)) == len(made)


def test_a_name_is_120_bits_that_a_url_may_carry():
    """Every bit of them is free: over many names each one is seen both ways."""
    sids = Sids()
    raw = [int.from_bytes(base64.urlsafe_b64decode(sids.new()), "big") for _ in range(500)]
    seen, missing = 0, (1 << 120) - 1
    for number in raw:
        seen |= number
        missing &= number
    assert seen == (1 << 120) - 1 and missing == 0
