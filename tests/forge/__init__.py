"""A local GitHub for tests: git over HTTP and REST over the same bare repositories, as strict as the real one."""

from tests.forge.access import Refused
from tests.forge.calls import Call
from tests.forge.events import Event, Loop
from tests.forge.faults import Fault, Faults
from tests.forge.forge import Forge
from tests.forge.repo import Repo
from tests.forge.state import Identity

__all__ = ["Call", "Event", "Fault", "Faults", "Forge", "Identity", "Loop", "Refused", "Repo"]
