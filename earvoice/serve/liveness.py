"""How long both ends of a web socket wait for signs of life."""

from __future__ import annotations

from earvoice.units import Seconds

PONG_S: Seconds = 240.0
"""For the answer to a ping. Longer than an engine takes to come up again: meanwhile audio waits
unread in the socket, and the answer behind it."""
RECEIVED_S: Seconds = 10.0
"""The server says at least so often what it received, changed or not."""
SILENCE_S: Seconds = 45.0
"""A server that says nothing for so long is not there: the client comes back over another line,
while its session still waits for it."""
