"""XML without its dangers: no document type, so no entities that expand or fetch; with lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from earvoice.data.corpora.reading import read_bytes
from earvoice.errors import DataError

MAX_DEPTH = 100


@dataclass
class Element:
    """An element. text: all character data directly in it."""

    tag: str
    attributes: dict[str, str]
    path: Path
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    @property
    def where(self) -> str:
        """File and line of its start, for messages."""
        return f"{self.path} line {self.line}"

    def all(self, tag: str) -> Iterator[Element]:
        """Those of that name at any depth below, in document order."""
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.all(tag)

    def child(self, tag: str) -> Element | None:
        """The first child of that name."""
        return next((child for child in self.children if child.tag == tag), None)

    def attribute(self, name: str) -> str:
        """Its value. Raises: DataError if it is not there."""
        if name not in self.attributes:
            raise DataError(f"{self.where}: <{self.tag}> has no {name}")
        return self.attributes[name].strip()


def read_xml(path: Path) -> Element:
    """The root of an XML file (.gz too).

    Raises: DataError naming file and line: not well-formed, a document type, nested too deep.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    top = Element("", {}, path, 0)
    open_elements = [top]

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, path, parser.CurrentLineNumber)
        if len(open_elements) > MAX_DEPTH:
            raise DataError(f"{element.where}: elements nested more than {MAX_DEPTH} deep")
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(tag: str) -> None:
        open_elements.pop()

    def data(text: str) -> None:
        open_elements[-1].text += text

    def refuse(*declaration: object) -> None:
        raise DataError(
            f"{path} line {parser.CurrentLineNumber}: has a document type (<!DOCTYPE), which can "
            "define entities; no corpus needs one, remove it"
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(read_bytes(path), True)
    except expat.ExpatError as error:
        raise DataError(f"{path} line {error.lineno}: not XML: {error}") from None
    except (LookupError, ValueError) as error:
        raise DataError(f"{path}: not XML: {error}") from None
    return top
