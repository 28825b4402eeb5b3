"""How many links a teacher may send: in a minute, and of these to one student. Pure; the time is an argument.

Services of ours are not counted: they know what they do, and bring in many at once.
"""

from backend_api.service.errors import TooManyRequests
from backend_api.service.limits import AddressLimits


class LinkPace:
    """The pace of links, first ones and those sent again."""

    def __init__(self, *, per_minute: int, to_student_per_minute: int) -> None:
        self._of_teacher = AddressLimits(per_second=per_minute / 60, cap=per_minute)
        self._to_student = AddressLimits(per_second=to_student_per_minute / 60, cap=to_student_per_minute)

    def check(self, teacher_id: str | None, student_id: str, now: float) -> None:
        """TooManyRequests where the teacher has sent too many."""
        if teacher_id is None:
            return
        wait = self._to_student.take(f"{teacher_id} {student_id}", 1, now) or self._of_teacher.take(teacher_id, 1, now)
        if wait:
            raise TooManyRequests(
                f"Too many links in a minute; the next one can be sent in {wait} s.", retry_after_seconds=wait
            )
