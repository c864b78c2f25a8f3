"""Lines of a run's log."""

from __future__ import annotations

import json
from typing import Any

from earvoice.errors import DataError, EarvoiceError
from earvoice.events import Stamped, loads


def stamped_of(where: str, data: dict[str, Any]) -> Stamped:
    """The event of a log's line. Raises: DataError."""
    try:
        return loads(json.dumps(data["stamped"]))
    except (KeyError, ValueError, TypeError, EarvoiceError) as error:
        raise DataError(f"{where}: {error!r}") from None
