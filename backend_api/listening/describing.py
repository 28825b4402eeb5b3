"""What is kept of a listener's user agent and address: device, country and region, never these two themselves."""

from backend_api.contract.sessions import IntervalReport
from backend_api.listening.devices import device_of
from backend_api.places import Places
from backend_api.service.places import Place, place


def described(user_agent: str, where: Place) -> dict[str, str]:
    """As facts of a session, as far as they are known."""
    device = {"device": device_of(user_agent)} if user_agent else {}
    return device | where.facts()


class Describe:
    """What a report of presence_server tells of its listener beyond who it is."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def __call__(self, report: IntervalReport) -> dict[str, str]:
        where = place(report.country, report.region)
        if where.country is None and report.address is not None:
            where = self._places.of_address(report.address)
        return described(report.user_agent or "", where)
