"""Tables as CSV: what a spreadsheet reads back, and what it must not run."""

import asyncio
import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.service.access import anyone
from backend_api.service.csv import ROWS_PER_PIECE, Csv, line, pieces
from backend_api.service.routes import RouteTable


async def rows(*given):
    for row in given:
        yield row


async def written(*given, bom=False):
    return b"".join([piece async for piece in pieces(Csv("x.csv", ["name", "count"], rows(*given)), bom=bom)])


async def test_a_table_is_a_header_and_rows_with_crlf():
    """RFC 4180, UTF-8."""
    assert await written(("Zoë", 1), ("b", None)) == "name,count\r\nZoë,1\r\nb,\r\n".encode()
    assert await written() == b"name,count\r\n"


async def test_a_byte_order_mark_comes_on_request():
    """For spreadsheets that take UTF-8 for something else."""
    assert (await written(bom=True)).startswith(b"\xef\xbb\xbfname")


async def test_a_long_table_comes_in_pieces():
    """Memory is bounded by a piece, not by the table."""
    table = Csv("x.csv", ["n"], rows(*([n] for n in range(3 * ROWS_PER_PIECE))))
    found = [piece async for piece in pieces(table, bom=False)]
    assert len(found) == 4
    assert b"".join(found).count(b"\r\n") == 3 * ROWS_PER_PIECE + 1


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\0"])
def test_a_text_that_a_spreadsheet_would_run_is_made_harmless(start):
    """With a leading apostrophe."""
    assert next(csv.reader(io.StringIO(line([start + "1+1"]), newline=""))) == ["'" + start + "1+1"]


def test_typed_values_are_written_as_they_are():
    """A negative number is no formula; a time is RFC 3339."""
    moment = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
    assert line([-1, -1.5, Decimal("-1.50"), moment, None]) == "-1,-1.5,-1.50,2026-11-21T10:30:00Z,\r\n"


@given(st.lists(st.text(st.characters(exclude_characters="\0")), min_size=1))
def test_any_text_is_read_back_as_it_was_or_with_an_apostrophe(cells):
    """Quotes, commas, line ends: one record, the same cells."""
    [record] = csv.reader(io.StringIO(line(cells), newline=""))
    if cells != [""]:  # which is written as an empty line, the only way there is
        assert len(record) == len(cells)
    for got, cell in zip(record, cells, strict=False):
        assert got in {cell, "'" + cell}
        assert not got.startswith(("=", "+", "-", "@", "\t", "\r"))


class Rows:
    """Rows that fail after so many; it knows whether it was closed."""

    def __init__(self, count, error=None):
        self.count, self.error, self.closed = count, error, False

    async def __call__(self):
        try:
            for number in range(self.count):
                yield [number, "x" * 100]
            if self.error:
                raise self.error
        finally:
            self.closed = True


@pytest.fixture
def download(serve):
    """A client of a program with one table to download."""

    async def start(source):
        table = RouteTable("tables")

        @table.get("/table.csv", allow=(anyone,), summary="A table")
        async def read() -> Csv:
            return Csv('a "b";\r\n.csv', ["n", "x"], source())

        return await serve(table)

    return start


async def test_a_download_is_an_attachment_that_nobody_sniffs(download):
    """Its name is made plain; `bom` is a parameter of every table."""
    client = await download(Rows(3))
    async with client.get("/table.csv?bom=1") as answer:
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="a__b____.csv"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        body = await answer.read()
    assert body.startswith(b"\xef\xbb\xbfn,x\r\n")
    assert len(body.splitlines()) == 4
    for query in ("size=1", "bom=2", "bom="):
        async with client.get(f"/table.csv?{query}") as answer:
            assert answer.status == 422


async def test_the_head_of_a_download_is_headers_only(download):
    """Rows that nobody wants are not read to their end."""
    source = Rows(100_000)
    client = await download(source)
    async with client.head("/table.csv") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    assert source.closed


async def test_a_table_that_fails_at_once_is_a_clean_problem(download):
    """Nothing was sent yet."""
    client = await download(Rows(0, RuntimeError("no")))
    async with client.get("/table.csv") as answer:
        assert (answer.status, answer.content_type) == (500, "application/problem+json")


async def test_a_table_that_fails_on_the_way_breaks_the_connection(download):
    """A table that is cut short must not look like a whole one."""
    client = await download(Rows(5 * ROWS_PER_PIECE, RuntimeError("no")))
    with pytest.raises(aiohttp.ClientError):
        async with client.get("/table.csv") as answer:
            await answer.read()


async def test_a_reader_that_leaves_ends_the_reading(download):
    """The rows are closed; the program goes on."""
    source = Rows(1_000_000)
    client = await download(source)
    answer = await client.get("/table.csv")
    await answer.content.readany()
    answer.close()
    async with asyncio.timeout(30):
        while not source.closed:
            await asyncio.sleep(0.01)
    async with client.head("/table.csv") as answer:
        assert answer.status == 200
