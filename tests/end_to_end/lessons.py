"""Lessons as the backend tells of them."""

import asyncio
import time


async def lesson_when(programs, student, true, seconds=60):
    """The student's only lesson, once it is as wanted when it is brought up to what the sockets know."""
    deadline = time.monotonic() + seconds
    while True:
        await programs.tell("POST", "/api/cron/session-timeout", {})
        (lesson,) = (await programs.get(f"/api/admin/teacher-sessions?student={student}"))["sessions"]
        if true(lesson):
            return lesson
        assert time.monotonic() < deadline, lesson
        await asyncio.sleep(0.2)
