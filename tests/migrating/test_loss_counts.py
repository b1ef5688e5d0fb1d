"""Rows that would be lost are counted, many tables in one statement, as each of them would be by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event, make_url

from fastman_tasks.migrating import loss_counts
from fastman_tasks.migrating.loss_counts import UncountedLoss
from fastman_tasks.plans import Loss
from servers import Server, connected, execute

# The statements are plain.
pytestmark = pytest.mark.thorough

NAMES = ("users", "100 %", 'it"s', "empty", "Select")


@pytest.fixture(params=["sqlite", "postgresql+psycopg", "mariadb+pymysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/live.db"
    server: Server = request.getfixturevalue(str(request.param).partition("+")[0])
    return server.fresh(str(request.param))


def test_many_tables_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their names; with a view, a column, one that is not there, and one with more rows than are counted."""
    monkeypatch.setattr(loss_counts, "EXACT_LIMIT", 3)
    preparer = make_url(url).get_dialect()().identifier_preparer
    for number, name in enumerate(NAMES):
        quoted = preparer.quote_identifier(name)
        execute(url, f"CREATE TABLE {quoted} (id INTEGER, name INTEGER)")
        for _ in range(number if name != "empty" else 0):
            execute(url, f"INSERT INTO {quoted} VALUES (1, NULL)")
    execute(url, "CREATE VIEW seen AS SELECT * FROM users")
    named = [UncountedLoss(each) for each in (*NAMES, "seen", "not_there")]
    named += [UncountedLoss("100 %", "name"), UncountedLoss(reason="who knows")]
    with connected(url) as connection:
        sent: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *heard: sent.append(heard[2]))
        found = loss_counts.count(named, connection)
        assert len([each for each in sent if "LIMIT 4) AS counted" in each]) == 1
        by_name = {(each.table, each.column): (each.rows, each.precision) for each in found}
        counted = {name: by_name.get((name, None)) for name in NAMES[:-1]}
        assert counted == {
            name: (rows, "exact") for name, rows in (("users", 0), ("100 %", 1), ('it"s', 2), ("empty", 0))
        }
        assert by_name["Select", None] != (4, "exact")
        assert by_name["seen", None] == (0, "exact") and by_name["100 %", "name"] == (0, "exact")
        assert ("not_there", None) not in by_name and found[-1] == Loss(reason="who knows")
