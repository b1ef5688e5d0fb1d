"""Write git's post-checkout hook, which tells of migrations that another branch has left in the database."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from fastman_tasks.errors import FileNotWritten
from fastman_tasks.git import Repository
from fastman_tasks.making.files import written_beside
from fastman_tasks.text import printable

#: What the hook runs, in the project's folder.
MODULE = "fastman_tasks.tasks.after_checkout"
_HEAD = "#!/bin/sh\n# Written by: inv make.hook\n"
# Git runs it in the top folder. $3: whether it is a branch that is checked out, or files.
_LINES = """\
if [ "$3" = 1 ] && [ "$1" != "$2" ] && [ -x {python} ] &&
    [ ! -d "$(git rev-parse --git-path rebase-merge)" ] && [ ! -d "$(git rev-parse --git-path rebase-apply)" ]; then
    (cd {folder} && {python} -m {module} </dev/null 2>/dev/null) || :
fi
"""


@dataclass(frozen=True)
class HookDraft:
    """The hook's file and text; ``is_new`` is whether it was not so already. ``note`` is what else there is to say."""

    file: Path
    text: str
    is_new: bool
    note: str = ""


def write(root: Path, python: Path, *, pretend: bool = False) -> HookDraft:
    """Write the hook of the repository that the project in ``root`` is in, which runs ``python`` there; nothing if it
    does so already, or with ``pretend``.

    Raises GitFailed without git or a repository, and FileNotWritten, with the lines to add, where there is another
    hook, or one for other repositories as well.
    """
    repository = Repository.of(root)
    folder = root.relative_to(repository.top.resolve()).as_posix()
    lines = _render(folder, str(python))
    file = repository.hooks / "post-checkout"
    try:
        old = file.read_text("utf-8", "surrogateescape") if file.exists() else ""
    except OSError as error:
        raise FileNotWritten(f"{printable(str(file))} cannot be read: {error.strerror}.") from error
    if lines in old:
        return HookDraft(file, old, is_new=False)
    _require_ours(file, old, lines, repository)
    others = [each for each in _block("*").findall(old) if not _block(folder).fullmatch(each)]
    text = _HEAD + "".join([*others, lines])
    if not pretend:
        _write(file, text)
    note = "It names this machine's Python: do not commit it." if _is_in_work_tree(file, repository) else ""
    return HookDraft(file, text, is_new=True, note=note)


def _render(folder: str, python: str) -> str:
    # Or a folder that begins with - would be an option.
    return _LINES.format(python=shlex.quote(python), folder=shlex.quote(f"./{folder}"), module=MODULE)


def _block(folder: str) -> re.Pattern[str]:
    """What matches the lines for the project in ``folder``, or in any (``*``), with whatever Python."""
    quoted = ".+" if folder == "*" else re.escape(shlex.quote(f"./{folder}"))
    lines = re.escape(_LINES.format(python="PYTHON", folder="FOLDER", module=MODULE))
    return re.compile(lines.replace("PYTHON", ".+").replace("FOLDER", quoted))


def _require_ours(file: Path, old: str, lines: str, repository: Repository) -> None:
    """Raises FileNotWritten if the hook in ``file``, with the text ``old``, is not ours, or would not be."""
    add = f"Nothing was written. Add these lines to {{}}, a shell script that can be executed:\n\n{lines}"
    path = printable(str(file))
    if any(parent.name == ".husky" for parent in file.parents):
        husky = next(parent for parent in file.parents if parent.name == ".husky") / "post-checkout"
        raise FileNotWritten(f"The hooks of this repository are Husky's. {add.format(printable(str(husky)))}")
    if "pre-commit" in old:
        legacy = f"{path}.legacy"
        raise FileNotWritten(f"{path} is pre-commit's, which runs post-checkout.legacy, too. {add.format(legacy)}")
    if old.strip() and _block("*").sub("", old).strip() not in ("", _HEAD.strip()):
        raise FileNotWritten(f"{path} exists already; it was left as it is. {add.format('it')}")
    if not file.is_relative_to(repository.folder) and not _is_in_work_tree(file, repository):
        raise FileNotWritten(
            f"core.hooksPath is {printable(str(file.parent))}, whose hooks git runs in other repositories as well. "
            f"{add.format(path)}"
        )


def _is_in_work_tree(file: Path, repository: Repository) -> bool:
    return file.is_relative_to(repository.top.resolve()) and not file.is_relative_to(repository.folder)


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(file) as new:
            new.write_text(text, "utf-8", "surrogateescape", newline="\n")
            # As the umask lets others read it.
            new.chmod(new.stat().st_mode | (new.stat().st_mode & 0o444) >> 2)
    except OSError as error:
        raise FileNotWritten(f"{error.filename} cannot be written: {error.strerror}.") from error
