"""Takes in what the provider says of calls, by itself or asked: the facts are kept, the questions they answer go."""

from collections.abc import Callable

from backend_api.study.asking import Asking
from backend_api.study.calls import Expected, Facts, is_open, stays
from backend_api.study.providers import CallProvider
from backend_api.study.store import StudyStore


class Hearing:
    """What is heard of calls, by their short ids."""

    def __init__(self, store: StudyStore, asking: Asking, provider: CallProvider, now: Callable[[], float]) -> None:
        self._store, self._asking, self._provider, self._now = store, asking, provider, now

    async def heard(self, call_id: str, session: str, facts: Facts) -> None:
        """Something about one session of a call. The same again changes nothing."""
        now = self._now()
        whole = await self._store.add(call_id, session, facts, now)
        found = stays(whole)
        await self._asking.heard(call_id, session, found, now, is_open=is_open(whole, found))

    async def expect(self, call_id: str, session: Expected) -> None:
        """A session of ours in the call: the provider is asked until it tells of it."""
        known = (await self._store.sessions_of({call_id: session.start}))[call_id]
        told = [stay for facts in known for stay in stays(facts) if stay.user_id == session.user_id]
        await self._asking.expect(call_id, session, told, self._now())

    async def learn(self, call_id: str) -> None:
        """Asks the provider what it knows of a call. ProviderError where it gives no answer."""
        unfinished = await self._asking.unfinished(call_id)
        for answer in await self._provider.call(call_id, unfinished):
            await self.heard(call_id, answer.session, answer.facts.seen_at(self._now()))
        await self._asking.answered(call_id, self._now())
