"""A database client that dies between two steps, or in the middle of a bulk write."""


class Crash(BaseException):
    """The process is gone; no handler of its own runs."""


STEPS = {
    "insert_one", "insert_many", "bulk_write", "update_one", "replace_one", "delete_one", "delete_many", "find_one",
    "count_documents",
}  # fmt: skip


class Crashing:
    """Stands for Mongo. `arm(n)` lets n steps pass and breaks off at the next one: before, amid or after it."""

    def __init__(self, mongo):
        self._mongo = mongo
        self._left = None
        self._where = "before"

    def arm(self, steps, where="before"):
        self._left, self._where = steps, where

    def disarm(self):
        self._left = None

    def __getitem__(self, name):
        return _Collection(self, self._mongo[name])

    async def step(self, run, partly):
        if self._left is None:
            return await run()
        self._left -= 1
        if self._left >= 0:
            return await run()
        if self._where == "amid":
            await partly()
        elif self._where == "after":
            await run()
        raise Crash


class _Collection:
    def __init__(self, owner, collection):
        self._owner, self._collection = owner, collection

    def __getattr__(self, name):
        method = getattr(self._collection, name)
        if name not in STEPS:
            return method

        async def call(*args, **options):
            async def half():
                if name in ("insert_many", "bulk_write") and len(args[0]) > 1:
                    await method(args[0][: len(args[0]) // 2], *args[1:], **options)

            return await self._owner.step(lambda: method(*args, **options), half)

        return call


class Overtaken(Crashing):
    """After so many steps something else happens; after `more` steps the process is gone. `steps` counts them."""

    def __init__(self, mongo, after, meanwhile, more):
        super().__init__(mongo)
        self._after, self._meanwhile, self._more = after, meanwhile, more
        self.steps = 0

    async def step(self, run, partly):
        if self.steps == self._after:
            await self._meanwhile()
        if self.steps > self._after + self._more:
            raise Crash
        self.steps += 1
        return await run()
