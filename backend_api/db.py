"""The client, its guarantees and the indexes; the only module that knows which driver is in use.

Both drivers offer the same coroutines on collections, which the stores are written against; PyMongo's types stand for
both. Stores own their collections and name their indexes, this module creates them.
"""

import asyncio
import importlib
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import structlog
from pymongo import AsyncMongoClient, ReplaceOne, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, ConfigurationError, OperationFailure, PyMongoError

from backend_api.service.errors import ConfigError

Document = dict[str, Any]
Collection = AsyncCollection[Document]

DUPLICATE_KEY = 11000
UNAVAILABLE = (PyMongoError,)
"""What stores raise when the database fails them. A client is told to come back: its request was not to blame."""
RETRY_SECONDS = 2.0
"""How soon the indexes are tried again while the database is away."""

_OPTIONS: dict[str, Any] = {
    "w": 1,
    # Answered only once it is in the journal: what is acknowledged survives a kill of the database.
    "journal": True,
    "maxPoolSize": 10,
    "serverSelectionTimeoutMS": 3_000,
    "connectTimeoutMS": 3_000,
    "socketTimeoutMS": 10_000,
    "waitQueueTimeoutMS": 5_000,
    "appName": "backend-api",
}
_INDEX_MISSING = {26, 27}
_INDEX_DIFFERS = {85, 86}  # Names come from the keys, so it is the expiry that differs.

log = structlog.get_logger(__name__)


class Index(NamedTuple):
    """An ascending index. With `expire_after_seconds` MongoDB removes documents that long after the date in the key."""

    collection: str
    keys: tuple[str, ...]
    expire_after_seconds: int | None = None

    @property
    def name(self) -> str:
        return "_".join(self.keys) + ("_ttl" if self.expire_after_seconds is not None else "")


class Mongo:
    """One database through one client. Create it on the running loop, for PyMongo's client is bound to one.

    ConfigError for a URL or driver that cannot be used. Its coroutines and its collections' raise UNAVAILABLE.

    On an `embedded` database no TTL index is kept: its sweep of a large collection stops everything for seconds.
    """

    def __init__(
        self, url: str, *, database: str, driver: Literal["pymongo", "motor"] = "pymongo", embedded: bool = False
    ) -> None:
        given = {name.lower() for name, _ in parse_qsl(urlsplit(url).query)}
        options = {name: value for name, value in _OPTIONS.items() if name.lower() not in given}
        try:
            self._client = _client_class(driver)(url, tz_aware=True, **options)
        except (ConfigurationError, ValueError) as error:
            raise ConfigError(f"backend.mongo.url: {error}") from None
        self._database: AsyncDatabase[Document] = self._client[database]
        self._embedded = embedded
        self._indexed = False

    def __getitem__(self, name: str) -> Collection:
        return self._database[name]

    async def ensure(self, indexes: Sequence[Index]) -> None:
        """Makes the indexes what is declared, trying again until the database is there."""
        while True:
            try:
                for index in indexes:
                    await self._ensure_one(index)
            except PyMongoError as error:
                log.warning("indexes_not_ensured", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._indexed = True
                return

    async def check(self) -> str | None:
        """For readiness: None, or why the database cannot be used."""
        try:
            await self._database.command("ping")
        except UNAVAILABLE as error:
            return f"the database does not answer ({type(error).__name__})"
        return None if self._indexed else "the database's indexes are not ensured yet"

    async def close(self) -> None:
        closing: Any = self._client.close()
        if closing is not None:  # Motor's close is a plain function.
            await closing

    async def _ensure_one(self, index: Index) -> None:
        collection = self[index.collection]
        if self._embedded and index.expire_after_seconds is not None:
            await _drop(collection, index.name)
            return
        try:
            await _create(collection, index)
        except OperationFailure as error:
            if error.code not in _INDEX_DIFFERS:
                raise
            change = {"name": index.name, "expireAfterSeconds": index.expire_after_seconds}
            await self._database.command("collMod", index.collection, index=change)


async def insert_new(collection: Collection, documents: Sequence[Document]) -> set[int]:
    """Inserts what is not there yet; the indexes of what was."""
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        return duplicates_in(error)
    return set()


async def upsert(collection: Collection, operations: Sequence[UpdateOne]) -> None:
    """Applies updates that insert what is missing, once more where another process was inserting the same."""
    try:
        await collection.bulk_write(operations, ordered=False)
    except BulkWriteError as error:
        await collection.bulk_write([operations[index] for index in duplicates_in(error)], ordered=False)


async def upsert_unless_refused(collection: Collection, operations: Sequence[UpdateOne | ReplaceOne[Document]]) -> None:
    """The same where filters ask for more than the key: what is there and not as they ask stays as it is."""
    for _ in range(2):
        try:
            await collection.bulk_write(operations, ordered=False)
        except BulkWriteError as error:
            operations = [operations[index] for index in duplicates_in(error)]
        else:
            return


def duplicates_in(error: BulkWriteError) -> set[int]:
    """The indexes of the operations that met an existing key; raises the error where anything else went wrong."""
    failed = error.details["writeErrors"]
    if error.details.get("writeConcernErrors") or any(item["code"] != DUPLICATE_KEY for item in failed):
        raise error
    return {item["index"] for item in failed}


async def _create(collection: Collection, index: Index) -> None:
    expiry: dict[str, Any] = (
        {} if index.expire_after_seconds is None else {"expireAfterSeconds": index.expire_after_seconds}
    )
    await collection.create_index([(key, 1) for key in index.keys], name=index.name, **expiry)


async def _drop(collection: Collection, name: str) -> None:
    try:
        await collection.drop_index(name)
    except OperationFailure as error:
        if error.code not in _INDEX_MISSING:
            raise


def _client_class(driver: str) -> type[AsyncMongoClient[Document]]:
    if driver == "pymongo":
        return AsyncMongoClient
    try:
        return importlib.import_module("motor.motor_asyncio").AsyncIOMotorClient  # type: ignore[no-any-return]
    except ModuleNotFoundError:
        raise ConfigError("backend.mongo.driver is motor, which is not installed: pip install '.[motor]'") from None
