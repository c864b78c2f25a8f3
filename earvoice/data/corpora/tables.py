"""Tables with tabs: with a header and escapes (CoVoST 2), or without either (FLEURS)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from earvoice.data.corpora.reading import numbered_lines
from earvoice.errors import DataError


def escaped_fields(line: str, where: str) -> list[str]:
    """The fields of a line as `csv` reads them with QUOTE_NONE and a backslash as escape.

    A quotation mark is text. A backslash makes the next character text, also a tab. Raises:
    DataError for a backslash at the end, which would join the line with the next.
    """
    if "\\" not in line:
        return line.split("\t")
    fields: list[str] = []
    field: list[str] = []
    characters = iter(line)
    for character in characters:
        if character == "\t":
            fields.append("".join(field))
            field = []
        elif character == "\\":
            following = next(characters, None)
            if following is None:
                raise DataError(
                    f"{where}: ends in \\, which would join it with the next; a \\ is written \\\\"
                )
            field.append(following)
        else:
            field.append(character)
    fields.append("".join(field))
    return fields


def table_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """(where, values by column) of a table with a header; at least the named columns are there.

    Raises: DataError for a missing or repeated column, and for a line that has not as many
    fields as the header.
    """
    header: list[str] | None = None
    for where, line in numbered_lines(path):
        fields = escaped_fields(line, where)
        if header is None:
            header = fields
            _check_header(header, columns, where)
        elif len(fields) != len(header):
            raise DataError(f"{where}: {_fields(len(fields))}, the header has {len(header)}")
        else:
            yield where, dict(zip(header, fields, strict=True))
    if header is None:
        raise DataError(f"{path} is empty; it must begin with a header")


def _check_header(header: Sequence[str], columns: Sequence[str], where: str) -> None:
    for name in columns:
        if name not in header:
            raise DataError(f"{where}: no column {name!r}; the header has {', '.join(header)}")
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise DataError(f"{where}: the column {repeated[0]!r} stands there twice")


def _fields(count: int) -> str:
    return f"{count} fields (a tab inside a field?)" if count > 1 else f"{count} field"


def bare_rows(path: Path, count: int) -> Iterator[tuple[str, list[str]]]:
    """(where, fields) of a table without header and escapes. Raises: DataError."""
    for where, line in numbered_lines(path):
        fields = line.split("\t")
        if len(fields) != count:
            raise DataError(f"{where}: {_fields(len(fields))}, it must have {count}")
        yield where, fields
