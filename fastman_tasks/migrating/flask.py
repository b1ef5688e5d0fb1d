"""The Flask application that a Flask-Migrate env.py expects to run in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from fastman_tasks.errors import EnvironmentFailed
from fastman_tasks.sources import first_line


@contextmanager
def application_context() -> Iterator[None]:
    """The context of the Flask application in the current folder, found as the ``flask`` command finds it.

    Without Flask or an application, env.py runs without a context. Raises EnvironmentFailed, which says what is
    missing, if it needs one.
    """
    try:
        from flask.cli import NoAppException, ScriptInfo
    except ModuleNotFoundError:
        yield
        return
    with _environment_as_flask_has_it():
        try:
            context = ScriptInfo(app_import_path=os.environ.get("FLASK_APP")).load_app().app_context()
        except NoAppException as missing:
            try:
                yield
            except RuntimeError as error:
                if "application context" not in str(error):
                    raise
                raise EnvironmentFailed(
                    f"env.py needs the Flask application. {first_line(missing)} Set FLASK_APP."
                ) from error
        else:
            with context:
                yield


@contextmanager
def _environment_as_flask_has_it() -> Iterator[None]:
    """Load .env and .flaskenv for this block, as ``flask`` does: applications depend on it."""
    from flask.cli import load_dotenv
    from flask.helpers import get_load_dotenv

    before = set(os.environ)
    if get_load_dotenv():
        load_dotenv()
    loaded = set(os.environ) - before
    try:
        yield
    finally:
        for name in loaded:
            os.environ.pop(name, None)
