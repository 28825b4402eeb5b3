"""Who may teach whom, and at what price: students, teachers, packages. Knows no lesson.

| collection | one document for | holds |
|---|---|---|
| tutoring_teachers | a teacher | name |
| tutoring_students | a student | name, chat, teachers, package |
| tutoring_packages | a package | every version of its terms, the newest last |
"""

from pymongo.errors import DuplicateKeyError

from backend_api.db import Document, Index, Mongo
from backend_api.service.errors import Conflict, FieldError, Unprocessable
from backend_api.tutoring.messages import Package, PackageInfo, Student, StudentInfo, TeacherInfo

TEACHERS, STUDENTS, PACKAGES = "tutoring_teachers", "tutoring_students", "tutoring_packages"
INDEXES = (Index(STUDENTS, ("teacherIds",)),)

MAX_VERSIONS = 1_000
MAX_STUDENTS = 500


class People:
    """The register, as the host application keeps it up to date."""

    def __init__(self, mongo: Mongo) -> None:
        self._teachers, self._students, self._packages = mongo[TEACHERS], mongo[STUDENTS], mongo[PACKAGES]

    async def put_teacher(self, teacher_id: str, info: TeacherInfo) -> None:
        await self._teachers.replace_one({"_id": teacher_id}, info.model_dump(by_alias=True), upsert=True)

    async def teacher_name(self, teacher_id: str) -> str | None:
        found = await self._teachers.find_one({"_id": teacher_id})
        return None if found is None else str(found["name"])

    async def put_student(self, student_id: str, info: StudentInfo) -> Student:
        """Unprocessable for a package that does not exist."""
        if info.package_id is not None and await self.package(info.package_id) is None:
            raise unknown_package(info.package_id)
        await self._students.replace_one({"_id": student_id}, info.model_dump(by_alias=True), upsert=True)
        return _student({"_id": student_id, **info.model_dump(by_alias=True)})

    async def student(self, student_id: str) -> Student | None:
        found = await self._students.find_one({"_id": student_id})
        return None if found is None else _student(found)

    async def students_of(self, teacher_id: str) -> list[Student]:
        """At most some hundred, by name."""
        found = await self._students.find({"teacherIds": teacher_id}).to_list(MAX_STUDENTS)
        return sorted((_student(document) for document in found), key=lambda student: (student.name, student.id))

    async def put_package(self, package_id: str, info: PackageInfo) -> Package:
        """A new version where something differs from the newest one; what was sold under an old one stays as it was."""
        terms = info.model_dump(by_alias=True, mode="json")
        while True:
            kept = await self._packages.find_one({"_id": package_id})
            versions = [] if kept is None else kept["versions"]
            if versions and versions[-1] == terms:
                return _package(package_id, versions)
            if len(versions) >= MAX_VERSIONS:
                raise Conflict("The package has too many versions; use another id.")
            if await self._append(package_id, len(versions), terms):
                return _package(package_id, [*versions, terms])

    async def package(self, package_id: str) -> Package | None:
        found = await self._packages.find_one({"_id": package_id})
        return None if found is None else _package(package_id, found["versions"])

    async def packages(self) -> list[Package]:
        found = await self._packages.find({}).to_list(MAX_STUDENTS)
        return sorted((_package(item["_id"], item["versions"]) for item in found), key=lambda package: package.name)

    async def _append(self, package_id: str, known: int, terms: Document) -> bool:
        """False where somebody else added a version in between."""
        if known == 0:
            try:
                await self._packages.insert_one({"_id": package_id, "count": 1, "versions": [terms]})
            except DuplicateKeyError:
                return False
            return True
        change = {"$push": {"versions": terms}, "$inc": {"count": 1}}
        return (await self._packages.update_one({"_id": package_id, "count": known}, change)).matched_count > 0


def unknown_package(package_id: str) -> Unprocessable:
    """What is said where a package is named that nobody has set."""
    error = FieldError("#/packageId", f"there is no package {package_id}")
    return Unprocessable("The package is not known.", errors=[error])


def _student(document: Document) -> Student:
    return Student.model_validate({("id" if name == "_id" else name): value for name, value in document.items()})


def _package(package_id: str, versions: list[Document]) -> Package:
    return Package.model_validate({"id": package_id, "version": len(versions), **versions[-1]})
