"""Suggestions for a command or flag that does not exist: a similar name, or our name for another framework's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from invoke import Collection, Exit, ParseError, Program

from fastman_tasks.tasks import console
from fastman_tasks.tasks.optional_positionals import name_positionals
from fastman_tasks.tasks.spelling import own_commands, running_program

#: Our commands by what Laravel, Rails, Django and Alembic call them, without their separators.
_COMMANDS: Mapping[str, str] = {
    "migrate": "database.migrate",
    "dbmigrate": "database.migrate",
    "migraterun": "database.migrate",
    "upgrade": "database.migrate",
    "upgradehead": "database.migrate",
    "sqlmigrate": "database.migrate --pretend",
    "dbrollback": "migrate.rollback",
    "rollback": "migrate.rollback",
    "downgrade": "migrate.rollback",
    "reset": "migrate.reset",
    "dbreset": "migrate.reset",
    "dbwipe": "migrate.fresh",
    "dbcreate": "database.create",
    "dbdrop": "database.drop",
    "dbsetup": "database.setup",
    "dbprepare": "database.setup",
    "dbshow": "database.show",
    "dbtable": "database.table",
    "dbwait": "database.wait",
    "dbshell": "database.shell",
    "dbconsole": "database.shell",
    "flush": "migrate.fresh",
    "dbfresh": "migrate.fresh",
    "migratefresh": "migrate.fresh",
    "migraterefresh": "migrate.refresh",
    "status": "migrate.status",
    "dbstatus": "migrate.status",
    "dbmigratestatus": "migrate.status",
    "showmigrations": "migrate.status",
    "current": "migrate.status",
    "history": "migrate.history",
    "seed": "database.seed",
    "dbseed": "database.seed",
    "loaddata": "database.seed",
    "makemigrations": "make.migration",
    "migration": "make.migration",
    "revision": "make.migration",
    "generatemigration": "make.migration",
    "gmigration": "make.migration",
    "seeder": "make.seeder",
    "makeseed": "make.seeder",
}
#: Our flags by what other tools call them; the first one that the command has is suggested.
_FLAGS: Mapping[str, tuple[str, ...]] = {
    "step": ("steps",),
    "n": ("steps",),
    "revision": ("to",),
    "rev": ("to",),
    "target": ("to",),
    "dry": ("pretend",),
    "dry-run": ("pretend",),
    "plan": ("pretend",),
    "sql": ("pretend",),
    "y": ("force",),
    "yes": ("force",),
    "no-input": ("force",),
    "noinput": ("force",),
    "no-interaction": ("force",),
    "seeder": ("class", "seed"),
    "seeders": ("class", "seed"),
    "m": ("message",),
    "format": ("json",),
}


def improve_errors() -> None:
    """Add a suggestion to Invoke's error "No idea what … is!".

    It is raised before any task of ours is called, so its Program has to be changed.
    """
    program = running_program()
    if program is None:
        return
    for name in ("parse_tasks", "parse_cleanup"):
        setattr(program, name, _improving(program, getattr(program, name)))


def _improving(program: Program, parse: Callable[[], None]) -> Callable[[], None]:
    def improved() -> None:
        try:
            if parse.__name__ == "parse_tasks":
                name_positionals(program)
            parse()
        except ParseError as error:
            found = _improved(error, program.collection)
            text = console.error_text(str(found))
            raise (Exit(text, found.code) if isinstance(found, Exit) else ParseError(text, found.context)) from error

    return improved


def commands(name: str, collection: Collection) -> list[str]:
    """Returns the commands of ``collection`` that ``name`` may mean, the most probable one first."""
    ours = dict(own_commands(collection))
    word = re.sub(r"[^a-z]", "", name.lower())
    if word in _COMMANDS:
        # As it is called in this tasks.py.
        first, *rest = _COMMANDS[word].split()
        if first in ours:
            return [" ".join([ours[first], *(ours.get(each, each) for each in rest)])]
    known = [alias for task, aliases in collection.task_names.items() for alias in (task, *aliases)]
    dotted = {_dotted(each): each for each in known}
    return [dotted[each] for each in _nearest(_dotted(name), dotted)]


def flags(flag: str, known: Iterable[str]) -> list[str]:
    """Returns those of the ``known`` flags that ``flag`` may mean, the most probable one first, with their dashes."""
    names = [each for each in known if each.startswith("--")]
    word = flag.lstrip("-").replace("_", "-")
    meant = [f"--{each}" for each in _FLAGS.get(word, ()) if f"--{each}" in names]
    return meant[:1] or _nearest(f"--{word}", names)


def _dotted(name: str) -> str:
    return re.sub(r"[:_.-]+", ".", name.lower())


def _nearest(name: str, known: Mapping[str, str] | list[str]) -> list[str]:
    # Only imported if something was mistyped.
    import difflib

    return [name] if name in known else difflib.get_close_matches(name, known, n=2, cutoff=0.7)


def _improved(error: ParseError, collection: Collection) -> ParseError | Exit:
    without_value = re.search(r"^Flag <\w+: ([\w-]+).* needed value", str(error))
    if without_value:
        flag = without_value[1].replace("_", "-")
        return Exit(f"--{flag} needs a value: --{flag}=…", code=2)
    found = re.search(r"No idea what '(.*)' is!$", str(error))
    if found is None:
        return error
    name = found[1]
    if name.startswith("-"):
        names = flags(name, error.context.flags if error.context else ())
    else:
        names = commands(name, collection)
    arguments = error.context.args.values() if error.context else ()
    instead = [each.name for each in arguments if getattr(each, "is_instead", False) and each.value]
    if not names and instead and not name.startswith("-"):
        # Invoke has filled in what may be left out.
        return Exit(f"Put {name!r} before --{instead[0]}.", code=2)
    if not names:
        return error
    return ParseError(f"{error} Did you mean {' or '.join(names)}?", error.context)
