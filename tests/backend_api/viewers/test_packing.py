"""Slots and stretches as bytes and back."""

from hypothesis import given
from hypothesis import strategies as st

from backend_api.viewers.history import SlotFigures, Stretch
from backend_api.viewers.packing import pack_slots, pack_stretches, unpack_slots, unpack_stretches

counts = st.integers(0, 100_000_000)
milliseconds = st.integers(0, 10**13)
slots = st.dictionaries(
    st.integers(0, 11), st.builds(SlotFigures, counts, counts, counts, counts, milliseconds, counts)
)
AT = 1_763_719_200


@st.composite
def stretches(draw):
    """Stretches at different minutes of an hour; figures need not make sense together."""
    minutes = sorted(draw(st.sets(st.integers(0, 59))))
    figures = st.tuples(*[counts] * 5, milliseconds, milliseconds, counts, counts, milliseconds)
    return [Stretch(AT + 60 * minute, *draw(figures)) for minute in minutes]


@given(slots)
def test_slots_come_back_as_they_were(figures):
    """Any numbers, up to the largest that the wire takes."""
    assert unpack_slots(pack_slots(figures)) == figures


@given(stretches())
def test_stretches_come_back_as_they_were(rows):
    """An hour of minutes with holes, in the order of time."""
    assert unpack_stretches(pack_stretches(rows, AT, 60), AT, 60) == rows


def test_an_hour_of_a_busy_room_takes_a_few_bytes_a_minute():
    """Twenty thousand viewers, moving every second: fifteen bytes a minute."""
    rows = [
        Stretch(AT + 60 * i, 1, 20_000 + i % 7, 19_990, 20_020, 12, 1_200_000_000 + i * 977, 60_000, 19_990, 20_020,
                1_200_000_000 + i * 977) for i in range(60)
    ]  # fmt: skip
    assert len(pack_stretches(rows, AT, 60)) / 60 < 15
