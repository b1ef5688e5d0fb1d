"""Our history table, kept out of what Alembic compares with the models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

import fastman_alembic
from fastman_tasks.migrating import target_metadata


@dataclass(frozen=True)
class _NameFilter:
    place: tuple[str | None, str | None]
    include_name: Callable[[str | None, str, Mapping[str, Any]], bool] | None

    def __call__(self, name: str | None, type_: str, parents: Mapping[str, Any]) -> bool:
        if type_ == "table" and fastman_alembic.is_history(name, parents.get("schema_name"), *self.place):
            return False
        return self.include_name is None or bool(self.include_name(name, type_, parents))


def hide(options: MutableMapping[str, Any], connection: Connection | None) -> None:
    """Have ``options`` for Alembic's context leave out our history table, on every version of Alembic, besides what
    they leave out already. A table of the models that is called so is compared."""
    if connection is None:
        return
    place = options.get("version_table_schema"), connection.dialect.default_schema_name
    models = target_metadata.as_list(options.get("target_metadata"))
    tables = [table for each in models for table in each.tables.values()]
    if not any(fastman_alembic.is_history(table.name, table.schema, *place) for table in tables):
        options["include_name"] = _NameFilter(place, options.get("include_name"))


def is_hidden(context: MigrationContext) -> bool:
    """Whether plain ``alembic`` leaves our history table alone in this project, whose env.py has configured
    ``context``; otherwise its ``check`` and ``--autogenerate`` would propose to drop the table.

    That is so in an env.py of ours, and where Alembic, from 1.18 on, has loaded our plug-in and env.py does not leave
    it out (``autogenerate_plugins``).
    """
    if isinstance(context.opts.get("include_name"), _NameFilter):
        return True
    patterns = context.opts.get("autogenerate_plugins", ["alembic.autogenerate.*"])
    excluded = any(fnmatchcase(fastman_alembic.NAME, each[1:]) for each in patterns if each.startswith("~"))
    included = any(fnmatchcase(fastman_alembic.NAME, each) for each in patterns)
    return fastman_alembic.is_set_up and included and not excluded
