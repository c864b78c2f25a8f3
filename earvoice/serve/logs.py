"""Logs as JSON lines: what happened to which session number, never what was said."""

from __future__ import annotations

import json
import logging
import sys

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One object a line: time, level, event, and the fields given in `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line. A traceback is named by its kind and place; its words may quote input."""
        fields = {
            key: value
            for key, value in vars(record).items()
            if key not in _OWN and not key.startswith("_")  # Ray adds some of its own
        }
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.msg if record.name.startswith("earvoice") else "server",
            **fields,
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:
                line["at"] = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up(level: str) -> None:
    """Send the server's and uvicorn's logs to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("earvoice", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler] if name != "uvicorn.error" else []
        logger.propagate = name == "uvicorn.error"
        logger.setLevel(level.upper() if name == "earvoice" else "WARNING")
    logging.getLogger("uvicorn.error").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Not what uvicorn says after every refused handshake, which is counted elsewhere."""
    return "without completing handshake" not in str(record.msg)
