"""The database's client, indexes and readiness."""

import pytest
from pymongo.errors import BulkWriteError

from backend_api import db
from backend_api.db import Index, Mongo
from backend_api.service.errors import ConfigError

WEEK, DAY = 7 * 86_400, 86_400


async def expiry_of(mongo, name):
    information = await mongo["things"].index_information()
    return information.get(name, {}).get("expireAfterSeconds")


def things(seconds):
    return [Index("things", ("r", "t")), Index("things", ("e",), expire_after_seconds=seconds)]


async def test_indexes_are_made_what_is_declared(mongo):
    """Ensuring is repeatable, and a plain index expires nothing."""
    for _ in range(2):
        await mongo.ensure(things(DAY))
    information = await mongo["things"].index_information()
    assert set(information) == {"_id_", "r_t"}


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_changing_the_retention_changes_the_ttl_index(open_mongo, driver):
    """On MongoDB the setting of the last start governs, longer or shorter; embedded there is no TTL index."""
    mongo = open_mongo(driver=driver, embedded=False)
    for seconds in (DAY, WEEK, DAY):
        await mongo.ensure(things(seconds))
        assert await expiry_of(mongo, "e_ttl") == seconds
    await open_mongo(driver=driver, embedded=True).ensure(things(DAY))
    assert "e_ttl" not in await mongo["things"].index_information()


async def test_it_is_ready_once_the_indexes_are_there(mongo):
    """Answering is not enough: without the indexes reads are slow and nothing expires."""
    assert "indexes" in await mongo.check()
    await mongo.ensure(things(DAY))
    assert await mongo.check() is None


async def test_an_answer_means_that_it_is_in_the_journal(mongo):
    """w:1 and j:true, unless the URL says otherwise."""
    assert mongo["things"].write_concern.document == {"w": 1, "j": True}
    careful = Mongo("mongodb://127.0.0.1:1/?w=2&directConnection=true", database="x")
    assert careful["things"].write_concern.document == {"w": 2, "j": True}
    await careful.close()


@pytest.mark.parametrize("url", ["mongodb://", "mongodb://host:notaport"])
async def test_a_url_that_cannot_be_used_is_a_configuration_error(url):
    """The program ends with one line that names the setting."""
    with pytest.raises(ConfigError, match=r"backend\.mongo\.url"):
        Mongo(url, database="x")


async def test_a_driver_that_is_not_installed_is_named(monkeypatch):
    """With what to install."""

    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(db.importlib, "import_module", missing)
    with pytest.raises(ConfigError, match="pip install"):
        Mongo("mongodb://127.0.0.1:1", database="x", driver="motor")


async def test_what_is_there_already_is_told_by_its_index(mongo):
    """New ones go in whatever stands before them."""
    assert await db.insert_new(mongo["things"], [{"_id": 1}, {"_id": 2}]) == set()
    assert await db.insert_new(mongo["things"], [{"_id": 1}, {"_id": 3}, {"_id": 2}, {"_id": 3}]) == {0, 2, 3}
    assert len(await mongo["things"].find({}).to_list(None)) == 3


class Failing:
    """A collection that answers each bulk in turn with these codes."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.sent = []

    async def insert_many(self, documents, **_):
        self._answer(documents)

    async def bulk_write(self, operations, **_):
        self._answer(operations)

    def _answer(self, sent):
        self.sent.append(sent)
        codes = self.answers.pop(0)
        if codes:
            errors = [{"index": index, "code": code} for index, code in enumerate(codes) if code]
            raise BulkWriteError({"writeErrors": errors, "writeConcernErrors": []})


async def test_any_other_failure_of_a_bulk_is_no_duplicate():
    """A full disk beside a duplicate: the whole batch is to be sent again."""
    with pytest.raises(BulkWriteError):
        await db.insert_new(Failing([11000, 14031]), [{}, {}])
    with pytest.raises(BulkWriteError):
        await db.upsert(Failing([11000, 14031]), ["a", "b"])


async def test_an_upsert_that_met_another_insert_is_applied_again():
    """Two processes see the same new room: the one that comes second updates it."""
    collection = Failing([0, 11000], [])
    await db.upsert(collection, ["a", "b"])
    assert collection.sent == [["a", "b"], ["b"]]
