"""Why a database cannot be connected to: its server is not there yet, the database is not, or it never will be."""

from __future__ import annotations

import re
from typing import Literal

from fastman_tasks.errors import DatabaseUnavailable

#: *Absent*: the server does not answer, or not yet. *Missing*: it does, and has no such database. *Refused*: it does,
#: and waiting would be in vain.
Reason = Literal["absent", "missing", "refused"]

# PostgreSQL's states, MySQL's and MariaDB's numbers.
_ABSENT: set[object] = {
    "57P01",
    "57P02",
    "57P03",
    "53300",
    1040,
    1053,
    1152,
    1158,
    1159,
    1160,
    1161,
    1203,
    2002,
    2003,
    2005,
    2006,
}
_ABSENT |= {2012, 2013, 2055}
# MariaDB says of a database that is not there, to a user who has no right to it, that access is denied.
_MISSING: set[object] = {"3D000", 1044, 1049}
# Drivers of PostgreSQL tell no state of a connection that fails. What stands in quotes is not looked at.
_TEXTS: dict[str, Reason] = {
    r"database \"\" does not exist": "missing",
    r"connection refused|timed? ?out|timeout|no route|could not translate|unreachable|closed the connection": "absent",
    r"starting up|shutting down|recovery mode|not (yet )?accepting|too many|remaining connection": "absent",
    r"authentication|password|pg_hba\.conf|role \"\" does not exist|permission denied|not permitted": "refused",
    r"ssl|certificate|invalid": "refused",
}


def explain(error: DatabaseUnavailable) -> Reason:
    """Returns why the connection failed that ``error`` is about."""
    cause = error.__cause__
    if cause is None:
        return "refused"
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    number = next((code for code in cause.args[:1] if isinstance(code, int)), None)
    if {state, number} & _MISSING:
        return "missing"
    if {state, number} & _ABSENT or str(state or "").startswith("08") or isinstance(cause, OSError):
        return "absent"
    # Whatever is no error of a database (PEP 249) is the driver's own trouble.
    if state or number is not None or not {each.__name__ for each in type(cause).mro()} & {"DatabaseError"}:
        return "refused"
    said = re.sub(r'"[^"]*"', '""', " ".join(map(str, cause.args)).lower())
    return next((reason for text, reason in _TEXTS.items() if re.search(text, said)), "absent")
