"""Puts a report into a page of the documentation, between its markers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from earvoice.errors import UsageError
from earvoice.reproduce.report import markdown


def into_docs(found: Mapping[str, Any], page: Path, picture: Path | None) -> None:
    """Replaces what stands between `<!-- report NAME -->` and `<!-- end -->`.

    The picture goes to figures/reproduce-NAME.png beside the page.
    Raises: UsageError for a page without the markers.
    """
    name = found["reproduction"]
    text = page.read_text(encoding="utf-8")
    begin, end = f"<!-- report {name} -->", "<!-- end -->"
    pattern = re.compile(re.escape(begin) + r".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise UsageError(f"{page} has no place for the report: {begin} ... {end}")
    body = markdown(found)
    if picture is not None:
        figures = page.parent / "figures"
        figures.mkdir(exist_ok=True)
        shutil.copyfile(picture, figures / f"reproduce-{name}.png")
        body += f"\n![{name}: BLEU over lag, computing over age](figures/reproduce-{name}.png)\n"
    page.write_text(pattern.sub(lambda _: f"{begin}\n{body}{end}", text), encoding="utf-8")
