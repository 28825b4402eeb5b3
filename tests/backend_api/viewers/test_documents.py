"""How a part is written and read back."""

import pytest

from backend_api.contract.snapshots import RoomPart
from backend_api.viewers.documents import Arrived, part_document, part_of
from backend_api.viewers.history import node_part

PART = {"viewerCount": 1, "avgViewers": 1, "peakViewers": 1, "sampleCount": 3}


@pytest.mark.parametrize("roster", [None, [], ["n1"], ["n2"], ["n2", "n1"]])
@pytest.mark.parametrize("number", [{}, {"part": 0}, {"part": 2}])
def test_a_part_comes_back_as_it_was(roster, number):
    """With whatever its node knows of others."""
    part = RoomPart.model_validate(PART | {"node": "n1", "boot": 7, "roster": roster} | number)
    assert part_of(part_document(Arrived("auction:a", 60, part))) == node_part(part)


def test_a_part_of_no_node_comes_back_as_it_was():
    """Its node is the one without a name."""
    part = RoomPart.model_validate(PART | {"roster": ["n1"]})
    assert part_of(part_document(Arrived("auction:a", 60, part))) == node_part(part)


def test_parts_of_different_rooms_and_minutes_are_different():
    """However long their names are and wherever they differ."""
    part, long = RoomPart.model_validate(PART), "x" * 127
    where = [("auction:a", 60), ("auction:b", 60), ("auction:a", 120), (f"call:{long}1", 60), (f"call:{long}2", 60)]
    ids = {part_document(Arrived(room, minute_at, part))["_id"] for room, minute_at in where}
    assert len(ids) == len(where)
    assert max(map(len, ids)) < 20
