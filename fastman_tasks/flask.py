"""The Flask application that a Flask-Migrate env.py expects to be running in."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from fastman_tasks.errors import EnvironmentFailed
from fastman_tasks.settings import read_env_file
from fastman_tasks.sources import first_line


def application_context(root: Path) -> AbstractContextManager[Any]:
    """The application context of the project's Flask application, found as the ``flask`` command finds it."""
    try:
        from flask.cli import NoAppException, ScriptInfo
    except ModuleNotFoundError as error:
        raise EnvironmentFailed("env.py uses Flask's current_app, and Flask is not installed.") from error
    named = (os.environ, read_env_file(root / ".env"), read_env_file(root / ".flaskenv"))
    name = next((layer["FLASK_APP"] for layer in named if layer.get("FLASK_APP")), None)
    try:
        return ScriptInfo(app_import_path=name).load_app().app_context()
    except NoAppException as error:
        raise EnvironmentFailed(f"env.py needs the Flask application. {first_line(error)} Set FLASK_APP.") from error
