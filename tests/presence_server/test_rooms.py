"""RoomCounter: examples, and random lives of connections against a plain model."""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from presence_server.errors import DeadConnection
from presence_server.rooms import CountChange, Counts, RoomCounter

ROOM = "auction:demo"


@pytest.fixture
def counter():
    return RoomCounter()


def test_a_change_tells_the_new_counts_the_step_and_who_came_or_went(counter):
    """Connections, people and active people, with a growing seq; a person with their first and last connection."""
    counter.connect("c1", "u:1")
    counter.connect("c2", "u:1")
    assert counter.join("c1", ROOM) == CountChange(Counts(ROOM, 1, 1, 1, 1), 1, "u:1")
    assert counter.join("c2", ROOM) == CountChange(Counts(ROOM, 2, 1, 1, 2), 1)
    assert counter.leave("c1", ROOM) == CountChange(Counts(ROOM, 1, 1, 1, 3), -1)
    assert counter.leave("c2", ROOM) == CountChange(Counts(ROOM, 0, 0, 0, 4), -1, "u:1")


def test_joining_or_leaving_twice_changes_nothing(counter):
    """The second time there is no change to tell."""
    counter.connect("c1", "u:1")
    counter.join("c1", ROOM)
    assert counter.join("c1", ROOM) is None
    counter.leave("c1", ROOM)
    assert counter.leave("c1", ROOM) is None
    assert counter.counts(ROOM).viewer_count == 0


def test_two_namespaces_of_one_connection_count_once(counter):
    """The connection is in the room until the last namespace has left it."""
    counter.connect("c1", "u:1")
    counter.connect("c1", "u:1", "/listening")
    assert counter.join("c1", ROOM).counts.viewer_count == 1
    assert counter.join("c1", ROOM, "/listening") is None
    assert counter.disconnect("c1") == []
    assert counter.counts(ROOM).viewer_count == 1
    assert [change.counts.viewer_count for change in counter.disconnect("c1", "/listening")] == [0]
    assert counter.connections == 0


def test_a_dead_connection_is_refused(counter):
    """What comes after the disconnect leaves no ghost."""
    counter.connect("c1", "u:1")
    counter.disconnect("c1")
    for act in (
        lambda: counter.join("c1", ROOM),
        lambda: counter.watch("c1", ROOM),
        lambda: counter.set_active("c1", False),
    ):
        with pytest.raises(DeadConnection):
            act()
    assert (len(counter), counter.connections) == (0, 0)


def test_a_room_that_comes_back_does_not_fall_behind_its_seq(counter):
    """Clients drop a lower seq of the same epoch."""
    counter.connect("c1", "u:1")
    counter.join("c1", ROOM)
    last = counter.leave("c1", ROOM).counts.seq
    assert len(counter) == 0
    assert counter.counts(ROOM).seq >= last
    counter.watch("c1", ROOM)
    assert counter.counts(ROOM).seq >= last
    assert counter.join("c1", ROOM).counts.seq > last


def test_a_person_is_active_while_one_of_their_tabs_is_visible(counter):
    """Only a change of the person's activity is told."""
    counter.connect("c1", "u:1")
    counter.connect("c2", "u:1")
    counter.join("c1", ROOM)
    counter.join("c2", ROOM)
    assert counter.set_active("c1", False) == []
    [change] = counter.set_active("c2", False)
    assert (change.counts.viewer_count, change.counts.unique_viewers, change.counts.active_viewers) == (2, 1, 0)
    assert change.step == 0
    assert counter.set_active("c2", False) == []
    assert [c.counts.active_viewers for c in counter.set_active("c1", True)] == [1]


def test_a_watcher_hears_without_being_counted(counter):
    """Whoever joined and watches is in the audience once."""
    counter.connect("c1", "u:1")
    counter.connect("c2", "u:2")
    counter.watch("c1", ROOM)
    counter.join("c2", ROOM)
    counter.watch("c2", ROOM)
    assert sorted(counter.audience(ROOM)) == ["c1", "c2"]
    assert counter.counts(ROOM).viewer_count == 1
    assert (counter.rooms_of("c2"), counter.holds("c1", ROOM)) == (1, True)
    counter.disconnect("c1")
    counter.unwatch("c2", ROOM)
    assert list(counter.audience(ROOM)) == ["c2"]


def test_a_disconnect_costs_its_own_rooms_only():
    """With fifty times the rooms, a disconnect looks at no more of them."""

    class Counting(dict):
        looks = 0

        def __getitem__(self, key):
            Counting.looks += 1
            return super().__getitem__(key)

        def get(self, key, default=None):
            Counting.looks += 1
            return super().get(key, default)

        def __iter__(self):
            raise AssertionError("a disconnect goes over all rooms")

    looks = []
    for rooms in (100, 5_000):
        counter = RoomCounter()
        counter.connect("host", "u:0")
        for number in range(rooms):
            counter.join("host", f"auction:{number}")
        counter.connect("c1", "u:1")
        counter.join("c1", "auction:1")
        counter._rooms = Counting(counter._rooms)
        Counting.looks = 0
        counter.disconnect("c1")
        looks.append(Counting.looks)
    assert looks[0] == looks[1]


ROOMS = st.sampled_from(["auction:a", "auction:b", "channel:c"])
NAMESPACES = st.sampled_from(["/", "/listening"])


class Lives(RuleBasedStateMachine):
    """Random joins, leaves, tabs, watches and losses; the model is a set of facts that is counted anew each time."""

    connections = Bundle("connections")

    def __init__(self):
        super().__init__()
        self.counter = RoomCounter()
        self.people: dict[str, str] = {}
        self.namespaces: set[tuple[str, str]] = set()
        self.joined: set[tuple[str, str, str]] = set()
        self.watched: set[tuple[str, str]] = set()
        self.hidden: set[str] = set()
        self.seqs: Counter[str] = Counter()
        self.told: dict[str, Counts] = {}
        self.number = 0

    def _hear(self, changes):
        for change in changes:
            if change is not None:
                before = self.told.get(change.counts.room)
                assert change.step == change.counts.viewer_count - (before.viewer_count if before else 0)
                self.told[change.counts.room] = change.counts

    @rule(target=connections, viewer=st.sampled_from(["u:1", "u:2", "g:x"]))
    def connect(self, viewer):
        self.number += 1
        connection = f"c{self.number}"
        self.counter.connect(connection, viewer)
        self.people[connection] = viewer
        self.namespaces.add((connection, "/"))
        return connection

    @rule(connection=connections)
    def connect_another_namespace(self, connection):
        if connection in self.people:
            self.counter.connect(connection, "u:ignored", "/listening")
            self.namespaces.add((connection, "/listening"))

    @rule(connection=connections, room=ROOMS, namespace=NAMESPACES)
    def join(self, connection, room, namespace):
        if (connection, namespace) not in self.namespaces:
            with pytest.raises(DeadConnection):
                self.counter.join(connection, room, namespace)
            return
        self._hear([self.counter.join(connection, room, namespace)])
        self.joined.add((connection, room, namespace))

    @rule(connection=connections, room=ROOMS, namespace=NAMESPACES)
    def leave(self, connection, room, namespace):
        if (connection, namespace) in self.namespaces:
            self._hear([self.counter.leave(connection, room, namespace)])
            self.joined.discard((connection, room, namespace))

    @rule(connection=connections, room=ROOMS, on=st.booleans())
    def watch(self, connection, room, on):
        if (connection, "/") in self.namespaces:
            (self.counter.watch if on else self.counter.unwatch)(connection, room)
            (self.watched.add if on else self.watched.discard)((connection, room))

    @rule(connection=connections, active=st.booleans())
    def set_active(self, connection, active):
        if (connection, "/") in self.namespaces:
            self._hear(self.counter.set_active(connection, active))
            (self.hidden.discard if active else self.hidden.add)(connection)

    @rule(connection=connections, namespace=NAMESPACES)
    def disconnect_one(self, connection, namespace):
        self._hear(self.counter.disconnect(connection, namespace))
        self.namespaces.discard((connection, namespace))
        self._forget(connection, namespace)

    @rule(connection=consumes(connections))
    def lose(self, connection):
        for namespace in ("/", "/listening"):
            self._hear(self.counter.disconnect(connection, namespace))
            self.namespaces.discard((connection, namespace))
            self._forget(connection, namespace)

    def _forget(self, connection, namespace):
        self.joined = {fact for fact in self.joined if (fact[0], fact[2]) != (connection, namespace)}
        if not any(known == connection for known, _ in self.namespaces):
            self.people.pop(connection, None)
            self.hidden.discard(connection)
        if namespace == "/":
            self.watched = {fact for fact in self.watched if fact[0] != connection}

    @invariant()
    def counts_are_those_of_the_model(self):
        for room in ("auction:a", "auction:b", "channel:c"):
            inside = {connection for connection, at, _ in self.joined if at == room}
            people = {self.people[connection] for connection in inside}
            active = {self.people[connection] for connection in inside - self.hidden}
            counts = self.counter.counts(room)
            assert counts[1:4] == (len(inside), len(people), len(active))
            assert counts.seq >= self.seqs[room]
            self.seqs[room] = counts.seq
            hears = inside | {connection for connection, at in self.watched if at == room}
            assert sorted(self.counter.audience(room)) == sorted(hears)
            if room in self.told:
                assert self.told[room][1:4] == counts[1:4]

    @invariant()
    def nothing_is_kept_of_the_dead(self):
        rooms = {room for _, room, _ in self.joined} | {room for _, room in self.watched}
        assert len(self.counter) == len(rooms)
        assert self.counter.connections == len(self.people)


Lives.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLives = Lives.TestCase
