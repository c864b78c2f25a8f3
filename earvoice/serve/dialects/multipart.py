"""multipart/form-data read as it comes, with limits that hold while reading (RFC 7578).

    --boundary CRLF headers CRLF CRLF body CRLF --boundary ... CRLF --boundary--

The file goes to an unnamed temporary file; the other fields are short texts.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import IO

from earvoice.errors import EarvoiceError

_MAX_FIELDS = 32
_MAX_FIELD_BYTES = 16_384
_MAX_HEAD_BYTES = 4_096
_BOUNDARY = re.compile(r'boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME = re.compile(
    r'(?<![a-z*])name=(?:"((?:[^"\\\r\n]|\\.){0,128})"|([^\s";]{1,128}))', re.IGNORECASE
)
_FILE_NAME = re.compile(r"filename\*?=", re.IGNORECASE)


class FormError(EarvoiceError):
    """The request is not a legal form. `too_large`: it is one, but over a limit."""

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


@dataclass
class Form:
    """The fields by name (a name may come several times) and the file of the field `file`."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    file: IO[bytes] | None = None

    def text(self, name: str) -> str | None:
        """A field that may come once. Errors: `FormError`."""
        values = self.fields.get(name, [])
        if len(values) > 1:
            raise FormError(f"{name} is given {len(values)} times")
        return values[0] if values else None

    def close(self) -> None:
        """Forget the file."""
        if self.file is not None:
            self.file.close()


async def read_form(content_type: str, chunks: AsyncIterator[bytes], max_file_bytes: int) -> Form:
    """The form of a request. Errors: `FormError`, as soon as a limit is passed."""
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or found is None:
        raise FormError("the body must be multipart/form-data with a boundary")
    boundary = found[1] or found[2]
    parser = _Parser(b"\r\n--" + boundary.encode(), max_file_bytes)
    try:
        async for chunk in chunks:
            parser.push(chunk)
        if not parser.ended:
            raise FormError("the body ends before its last boundary")
    except BaseException:
        parser.form.close()
        raise
    return parser.form


class _Parser:
    """One pass; holds a header, or as much of a body as may be the start of a boundary."""

    def __init__(self, delimiter: bytes, max_file_bytes: int) -> None:
        self.form = Form()
        self.ended = False
        self._delimiter = delimiter
        self._max_file_bytes = max_file_bytes
        self._data = bytearray(b"\r\n")
        self._in_head = self._in_body = False
        self._name = ""
        self._into: IO[bytes] | None = None
        self._text = bytearray()
        self._file_bytes = 0

    def push(self, chunk: bytes) -> None:
        """More of the request."""
        self._data += chunk
        while not self.ended and self._step():
            pass
        if self.ended:
            self._data.clear()

    def _step(self) -> bool:
        """One piece of what there is; whether there may be another."""
        if self._in_head:
            return self._head()
        at = self._data.find(self._delimiter)
        if at < 0:
            keep = len(self._delimiter) - 1
            if len(self._data) > keep:
                self._body(bytes(self._data[:-keep]))
                del self._data[:-keep]
            return False
        after = at + len(self._delimiter)
        if len(self._data) < after + 2:
            return False
        self._body(bytes(self._data[:at]))
        self._end_part()
        tail = bytes(self._data[after : after + 2])
        del self._data[: after + 2]
        if tail == b"--":
            self.ended = True
        elif tail == b"\r\n":
            self._in_head = True
        else:
            raise FormError("a boundary is not followed by a line end")
        return not self.ended

    def _head(self) -> bool:
        at = self._data.find(b"\r\n\r\n")
        if at < 0 or at > _MAX_HEAD_BYTES:
            if len(self._data) > _MAX_HEAD_BYTES:
                raise FormError("the header of a field is too long", too_large=True)
            return False
        head = bytes(self._data[:at]).decode("utf-8", "replace")
        del self._data[: at + 4]
        name = _NAME.search(head)
        if name is None:
            raise FormError("a field has no name")
        self._in_head, self._in_body, self._name = False, True, name[1] or name[2] or ""
        if _FILE_NAME.search(head) or self._name == "file":
            if self._name != "file" or self.form.file is not None:
                raise FormError("there must be one file, in the field 'file'")
            # The form closes it.
            self._into = self.form.file = tempfile.TemporaryFile()  # noqa: SIM115
        elif sum(map(len, self.form.fields.values())) >= _MAX_FIELDS:
            raise FormError(f"there are more than {_MAX_FIELDS} fields", too_large=True)
        return True

    def _body(self, data: bytes) -> None:
        if not self._in_body or not data:
            return  # what stands before the first boundary means nothing
        if self._into is None:
            self._text += data
            if len(self._text) > _MAX_FIELD_BYTES:
                text = f"the field has more than {_MAX_FIELD_BYTES} bytes"
                raise FormError(text, too_large=True)
            return
        self._file_bytes += len(data)
        if self._file_bytes > self._max_file_bytes:
            text = f"the file has more than {self._max_file_bytes} bytes"
            raise FormError(text, too_large=True)
        self._into.write(data)

    def _end_part(self) -> None:
        if not self._in_body:
            return
        if self._into is None:
            text = self._text.decode("utf-8", "replace")
            self.form.fields.setdefault(self._name, []).append(text)
        else:
            self._into.flush()
        self._in_body, self._into = False, None
        self._text.clear()
