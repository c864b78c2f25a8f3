"""How long both ends of a web socket wait for signs of life."""

from __future__ import annotations

from earvoice.units import Seconds

PONG_S: Seconds = 240.0
"""For the answer to a ping. Longer than an engine takes to come up again: meanwhile audio waits
unread in the socket, and the answer behind it."""
