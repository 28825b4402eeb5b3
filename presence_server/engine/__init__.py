"""An Engine.IO v4 server under python-socketio: strict about what it accepts, sparing with what a socket costs.

The public face is `Engine`, `EngineSettings` and `quiet_collector`.
"""

from presence_server.engine.engine import Engine, quiet_collector
from presence_server.engine.settings import EngineSettings

__all__ = ["Engine", "EngineSettings", "quiet_collector"]
