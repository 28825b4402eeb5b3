"""The colours of the style sheet, in light and in dark, against WCAG 2.2."""

import re
from pathlib import Path

import pytest

from backend_api.pages.static_files import ROOT

TEXT, SHAPE = 4.5, 3.0
PAIRS = [
    *((ink, ground, TEXT) for ink in ("ink", "soft", "accent", "bad") for ground in ("ground", "surface")),
    ("accent-ink", "accent", TEXT),
    ("warn", "warn-ground", TEXT),
    ("bad", "bad-ground", TEXT),
    *((shape, ground, SHAPE) for shape in ("line-strong", "good", "warn", "bad") for ground in ("ground", "surface")),
]


def schemes(path: Path = ROOT / "style.css") -> dict[str, dict[str, str]]:
    light, dark = re.findall(r":root \{(.*?)\}", path.read_text(), re.DOTALL)
    read = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", text)) for text in (light, dark)]
    return {"light": read[0], "dark": read[0] | read[1]}


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_every_colour_can_be_read_on_its_ground(scheme, front, back, least):
    """4.5 to 1 for text, 3 to 1 for the edges of controls and the dots of states."""
    colours = schemes()[scheme]
    brighter, darker = sorted((luminance(colours[front]), luminance(colours[back])), reverse=True)
    assert (brighter + 0.05) / (darker + 0.05) >= least
