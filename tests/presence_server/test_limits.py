"""Token buckets and sockets per address, with moved time."""

import pytest

from presence_server.limits import AddressBook, Pace, TokenBucket


def test_a_bucket_allows_its_burst_and_then_its_rate():
    """Ten at once, then two a second."""
    bucket = TokenBucket(10, now=0.0)
    assert [bucket.take(2, 10, 0.0) for _ in range(11)] == [Pace.OK] * 10 + [Pace.SLOW_DOWN]
    assert bucket.take(2, 10, 0.5) is Pace.SLOW_DOWN
    assert bucket.take(2, 10, 3.0) is Pace.OK


def test_a_client_that_goes_on_after_being_told_is_a_flood():
    """Refused events cost as well; five bursts of debt are too many."""
    bucket = TokenBucket(10, now=0.0)
    paces = [bucket.take(2, 10, 0.0) for _ in range(60)]
    assert paces[10:59] == [Pace.SLOW_DOWN] * 49
    assert paces[59] is Pace.FLOOD


def test_a_bucket_never_holds_more_than_its_burst():
    """A long silence earns no more than one burst."""
    bucket = TokenBucket(3, now=0.0)
    assert [bucket.take(100, 3, 1e6) for _ in range(4)].count(Pace.OK) == 3


def test_an_address_has_its_share_and_gets_it_back():
    """The socket beyond the share is refused; one that closes makes room."""
    book = AddressBook(2)
    assert [book.enter("10.0.0.1") for _ in range(3)] == [True, True, False]
    assert book.enter("10.0.0.2") is True
    book.exit("10.0.0.1")
    assert book.enter("10.0.0.1") is True


def test_the_book_is_empty_when_everybody_has_left():
    """Nothing is kept of an address without sockets."""
    book = AddressBook(5)
    for number in range(100):
        book.enter(f"10.0.0.{number}")
    for number in range(100):
        book.exit(f"10.0.0.{number}")
    assert len(book) == 0


@pytest.mark.parametrize(("other", "shared"), [("2001:db8:1:2:9::1", True), ("2001:db8:1:3::1", False)])
def test_one_ipv6_subscriber_is_a_64(other, shared):
    """Addresses of one /64 share a limit, those of another do not."""
    book = AddressBook(1)
    assert book.enter("2001:db8:1:2::1")
    assert book.enter(other) is not shared


def test_an_address_that_is_none_is_counted_as_it_is():
    """A peer without an address, such as a unix socket, is one subscriber."""
    book = AddressBook(1)
    assert [book.enter("not:an:address"), book.enter("not:an:address")] == [True, False]
