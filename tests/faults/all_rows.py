"""All rows of the fault table by their ids, in order."""

from tests.faults import rows, rows_content, rows_gate, rows_life, rows_spoken, rows_streams


def _place(name):
    letters = name[1:].rstrip("b")
    return name[0] != "S", int(letters), name


_found = rows.ROWS | rows_streams.ROWS | rows_life.ROWS | rows_gate.ROWS | rows_content.ROWS
_found |= rows_spoken.ROWS
ROWS = {name: _found[name] for name in sorted(_found, key=_place)}
