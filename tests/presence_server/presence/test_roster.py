"""Who is believed to have held a room in a minute: what a dead node took with it must not read as an empty room."""

from presence_server.history.rosters import Holder
from presence_server.presence.members import Members
from presence_server.presence.state import SharedState
from presence_server.presence.wire import Change

ROOM = "auction:demo"


def _heard(at: float, members: Members) -> SharedState:
    state = SharedState("n1", members)
    state.open(ROOM)
    state.hear(ROOM, Change("n2.1", 1, 3, 3, 3, 1, 3, False), at)
    return state


def test_a_node_that_dies_right_after_a_room_came_to_it_is_in_the_roster():
    """Its last sign of life was older than its first word about the room."""
    members = Members()
    members.read({"n2.1": 1}, 30.0)
    state = _heard(31.5, members)
    members.read({}, 45.0)
    state.forget("n2.1", members.left_at("n2.1", 45.0))
    assert state.roster(ROOM, 0.0, 60.0) == [Holder("n2", 31.5, 31.5)]


def test_a_node_whose_room_emptied_is_in_the_roster_of_that_minute_and_not_of_the_next():
    """As long as it lives it speaks for the whole minute; of one that is gone it is said from when to when."""
    members = Members()
    members.read({"n2.1": 1}, 0.0)
    state = _heard(10.0, members)
    state.hear(ROOM, Change("n2.1", 2, 0, 0, 0, 2, 0, False), 20.0)
    assert (state.roster(ROOM, 0.0, 60.0), state.roster(ROOM, 60.0, 120.0)) == ([Holder("n2")], [])
    members.read({}, 50.0)
    state.forget("n2.1", 50.0)
    assert (state.roster(ROOM, 0.0, 60.0), state.roster(ROOM, 60.0, 120.0)) == ([Holder("n2", 10.0, 20.0)], [])
