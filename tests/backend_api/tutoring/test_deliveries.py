"""Links on their way to students, against a double of the Bot API."""

import asyncio

import pytest

from backend_api.tutoring.deliveries import MAX_TRIES, after
from backend_api.tutoring.lesson import Delivery
from backend_api.tutoring.notifier import LogNotifier, Message, Outcome, TelegramNotifier

MESSAGE = Message("Hello", "Join", "https://lessons.test/x")
ADMIN = {"sub": "boss", "roles": ["admin"]}


@pytest.fixture
def notifier(telegram):
    return TelegramNotifier("123456:token", telegram.url)


async def test_a_message_has_a_button_and_no_preview(notifier, telegram):
    """To the chat, by the bot whose token it is."""
    assert await notifier.send("4711", MESSAGE) == Outcome(delivered=True)
    ((token, body),) = telegram.messages
    assert token == "123456:token"
    assert body == {
        "chat_id": "4711", "text": "Hello", "link_preview_options": {"is_disabled": True},
        "reply_markup": {"inline_keyboard": [[{"text": "Join", "url": "https://lessons.test/x"}]]},
    }  # fmt: skip


@pytest.mark.parametrize(("status", "body", "again_after"), [
    (429, {"ok": False, "parameters": {"retry_after": 17}}, 17.0), (429, {}, 5.0),
    (429, {"ok": False, "parameters": {"retry_after": 90_000}}, 86_400.0), (502, "x", 5.0), (429, [], 5.0),
    (400, {"description": "chat not found"}, None), (403, {"description": "bot was blocked"}, None),
    (200, {"ok": False}, None),
])  # fmt: skip
async def test_what_an_answer_means(notifier, telegram, status, body, again_after):
    """Slow down as long as it says; try later when it is broken; never again where it cannot help."""
    telegram.answers.append((status, body))
    outcome = await notifier.send("4711", MESSAGE)
    assert (outcome.delivered, outcome.retry_after_seconds) == (False, again_after)


async def test_a_messenger_that_is_away_is_tried_later_and_the_token_stays_secret():
    """The reason names neither the address nor the bot."""
    outcome = await TelegramNotifier("123456:token", "http://127.0.0.1:9").send("1", MESSAGE)
    assert outcome.retry_after_seconds is not None
    assert "123456" not in (outcome.reason or "")


async def test_without_a_bot_nothing_is_delivered():
    """It is said in the log, and shown as failed with the reason."""
    assert await LogNotifier().send("1", MESSAGE) == Outcome(delivered=False, reason="no bot is configured")


def test_tries_get_rarer_and_end():
    """Never sooner than asked, never after the link has expired, never more than a dozen."""
    state, now, pauses = Delivery(state="waiting", next_at=0.0), 0.0, []
    while state.state == "waiting":
        state = after(state, Outcome(delivered=False, retry_after_seconds=5.0), now, expires_at=1e9)
        if state.next_at is not None:
            pauses.append(state.next_at - now)
            now = state.next_at
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1], state.attempts) == (5.0, 900.0, MAX_TRIES)
    late = after(Delivery(state="waiting"), Outcome(delivered=False, retry_after_seconds=5.0), 100.0, expires_at=104.0)
    assert late.state == "failed"


async def delivery(api):
    (row,) = (await api.data("GET", "/api/admin/teacher-sessions", claims=ADMIN))["sessions"]
    return row["delivered"]


async def test_a_link_is_made_while_telegram_is_down_and_sent_later(api, make_link, telegram):
    """201 at once; the job honours retry_after."""
    telegram.answers.append((429, {"ok": False, "parameters": {"retry_after": 30}}))
    link = await make_link()
    assert link["delivered"] is False
    api.clock.at += 20
    await asyncio.sleep(3)
    assert (await delivery(api), len(telegram.messages)) == ("waiting", 1)
    api.clock.at += 11
    async with asyncio.timeout(30):
        while await delivery(api) != "delivered":
            await asyncio.sleep(0.05)
    assert len(telegram.messages) == 2


async def test_a_slow_messenger_brings_one_message(api, make_link, telegram):
    """While the maker waits for the answer, the job leaves the link alone; a resend is one more."""
    telegram.pause_seconds = 4.0
    link = await make_link()
    assert (link["delivered"], len(telegram.messages)) == (True, 1)
    await api.data("POST", f"/api/teachers/links/{link['id']}/resend")
    assert len(telegram.messages) == 2


async def test_a_link_whose_maker_died_is_sent_by_one_of_all_jobs(api, make_link, telegram, start_backend):
    """Two backends look at the same moment; one of them claims it."""
    telegram.answers.append((502, {}))
    await make_link()
    other = await start_backend(telegram={"bot_token": "123456:a-bot-token-of-tests", "base_url": telegram.url})
    telegram.pause_seconds = 1.0
    api.clock.at += 60
    async with asyncio.timeout(30):
        while await delivery(other) != "delivered":
            await asyncio.sleep(0.05)
    assert len(telegram.messages) == 2


async def test_a_blocked_bot_is_shown(api, make_link, telegram):
    """The teacher sees that the message did not arrive, and may hand over the link otherwise."""
    telegram.answers.append((403, {"ok": False, "description": "bot was blocked by the user"}))
    await make_link()
    assert await delivery(api) == "failed"


async def test_a_student_without_a_chat_is_sent_nothing(api, telegram):
    """The link is made all the same."""
    body = {"link": "https://zoom.us/j/1", "teacherId": "t2"}
    assert (await api.data("POST", "/api/teachers/students/s2/zoom", body))["delivered"] is False
    assert await delivery(api) == "none"
    assert telegram.messages == []


SLOW_DOWN = (429, {"ok": False, "parameters": {"retry_after": 300}})


async def test_a_busy_chat_keeps_nobody_elses_messages_back(api, make_link, telegram):
    """The chat that was refused waits as long as it was told, without a try; another's message goes out at once."""
    telegram.answers.append(SLOW_DOWN)
    assert (await make_link())["delivered"] is False
    assert (await make_link())["delivered"] is False
    assert (await make_link(chatId="815"))["delivered"] is True
    assert [body["chat_id"] for _, body in telegram.messages] == ["4711", "815"]
    rows = (await api.data("GET", "/api/admin/teacher-sessions", claims=ADMIN))["sessions"]
    assert sorted(row["delivered"] for row in rows) == ["delivered", "waiting", "waiting"]


async def test_a_bot_that_is_too_fast_rests(api, make_link, telegram):
    """Several chats refused in a row: the messenger means everybody."""
    telegram.answers += [SLOW_DOWN] * 3
    for chat in ("1", "2", "3", "4"):
        assert (await make_link(chatId=chat))["delivered"] is False
    assert len(telegram.messages) == 3
