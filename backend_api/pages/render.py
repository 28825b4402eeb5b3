"""Turns templates into HTML answers. Knows what every page needs to know; what a single page shows is its route's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

_TEMPLATES = Path(__file__).with_name("templates")


def _environment() -> Environment:
    # Every value is escaped: rooms and names come from outside.
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Renders pages. `presence_url` is an origin that browsers reach, `presence_path` that of its sockets.

    Without a `backend_url` a page takes the address under which it was asked for.
    """

    version: str
    presence_url: str
    presence_path: str
    backend_url: str | None
    _environment: Environment = field(default_factory=_environment)

    def answer(
        self, request: web.Request, template: str, values: Mapping[str, object] | None = None, *, status: int = 200
    ) -> web.Response:
        """The page as an HTML answer; `values` are what its template names beyond what all of them get."""
        text = self._environment.get_template(template).render(
            {
                "page": Path(template).stem,
                "room": None,
                "version": self.version,
                "presence_url": self.presence_url,
                "presence_path": self.presence_path,
                "backend_url": self.backend_url or str(request.url.origin()),
                **(values or {}),
            }
        )
        return web.Response(text=text, status=status, content_type="text/html")
