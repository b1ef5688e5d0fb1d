"""Python's logging, kept as the application set it up."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def logging_kept() -> Iterator[None]:
    """Put every logger back as it was: logging.config.fileConfig(), which most env.py call, disables them all.

    Alembic's own "Running upgrade …" lines are left out meanwhile; the commands report each step themselves.
    """
    kept = [(entry, entry.level, entry.handlers[:], entry.propagate, entry.disabled) for entry in _loggers()]
    # What fileConfig() finds in this list it closes: a log file opened with mode "w" would never be written again.
    open_handlers = logging._handlerList[:]  # type: ignore[attr-defined]
    logging._handlerList.clear()  # type: ignore[attr-defined]
    steps = logging.getLogger("alembic.runtime.migration")

    def above_info(record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO

    steps.addFilter(above_info)
    try:
        yield
    finally:
        steps.removeFilter(above_info)
        logging._handlerList[:0] = open_handlers  # type: ignore[attr-defined]
        for logger in _loggers():
            # env.py's imports make loggers too, and fileConfig() disables those as well.
            logger.disabled = False
        for logger, level, handlers, propagate, disabled in kept:
            logger.setLevel(level)
            logger.handlers[:] = handlers
            logger.propagate, logger.disabled = propagate, disabled


def _loggers() -> list[logging.Logger]:
    entries = logging.Logger.manager.loggerDict.values()
    return [logging.root, *(entry for entry in entries if isinstance(entry, logging.Logger))]
