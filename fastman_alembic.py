"""A plug-in of Alembic, which loads it by its entry point: plain ``alembic``, too, leaves our history table alone.

Alembic 1.18 and newer import this in the middle of their own import, in every project of the environment: nothing of
Alembic's, nor of ours, is imported at the top of this module, and the package ``fastman_tasks`` need not be whole.
"""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

#: Our table, beside the version table.
HISTORY_TABLE = "fastman_history"
#: Below "alembic.autogenerate", as Alembic includes such plug-ins by itself.
NAME = "alembic.autogenerate.fastman_history"
#: Whether Alembic has set this plug-in up.
is_set_up = False


def setup(plugin: Any) -> None:
    """Have ``plugin``, Alembic's, hide our table when a database is compared with models."""
    global is_set_up
    # Whatever a future Alembic changes: its commands have to run in projects that do not even use us.
    try:
        from alembic.util import DispatchPriority, PriorityDispatchResult

        def hide(context: Any, *_: Any) -> Any:
            _hide(context)
            return PriorityDispatchResult.CONTINUE

        plugin.add_autogenerate_comparator(hide, "autogenerate", priority=DispatchPriority.FIRST)
        is_set_up = True
    except Exception as error:
        _log(error)


def is_history(
    name: str | None, schema: str | None, version_table_schema: str | None, default_schema: str | None
) -> bool:
    """Whether the table ``name`` in ``schema`` is our history: it is where the version table is. None is the
    ``default_schema``."""
    return name == HISTORY_TABLE and (schema or default_schema) == (version_table_schema or default_schema)


def _hide(context: Any) -> None:
    """Have the comparison of ``context`` (an ``AutogenContext``) overlook our table, unless a model is called so."""
    try:
        place = context.migration_context.version_table_schema, context.dialect.default_schema_name
        metadata = context.metadata if isinstance(context.metadata, (list, tuple)) else [context.metadata]
        tables = [table for each in metadata if each is not None for table in each.tables.values()]
        if any(is_history(table.name, table.schema, *place) for table in tables):
            return
        run_name_filters = context.run_name_filters

        def run(name: str | None, type_: str, parent_names: Any) -> Any:
            if type_ == "table" and is_history(name, parent_names.get("schema_name"), *place):
                return False
            return run_name_filters(name, type_, parent_names)

        # Those of env.py are asked afterwards; Alembic has taken them from its options already.
        context.run_name_filters = run
    except Exception as error:
        _log(error)


def _log(error: Exception) -> None:
    import logging

    logging.getLogger("fastman_alembic").warning("The table %s is not hidden: %r", HISTORY_TABLE, error)


class _Plugins(ModuleType):
    """This module as a collection of itself: before 1.20.1 Alembic took an entry point for one (#1873)."""

    def __iter__(self) -> Iterator[ModuleType]:
        return iter((self,))


sys.modules[__name__].__class__ = _Plugins
