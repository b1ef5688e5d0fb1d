"""load(): CSV, JSON and JSON Lines into a table, on every database, and what is wrong in them."""

from __future__ import annotations

import enum
import gzip
import json
import re
import tracemalloc
import uuid
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fastman_tasks.databases.database import Database
from fastman_tasks.databases.urls import parse
from fastman_tasks.errors import LoadFailed
from fastman_tasks.seeding import load
from seeds import EVERY, POSTGRESQL, SQLITE
from servers import Server, execute


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Base(DeclarativeBase):
    pass


class Person(Base):
    """Plain types only: PostgreSQL converts the texts of such a file by itself."""

    __tablename__ = "people"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column("full name", sa.String(20))
    nick: Mapped[str | None] = mapped_column(sa.String(20), unique=True)
    age: Mapped[int | None]
    score: Mapped[Decimal | None] = mapped_column("the score", sa.Numeric(10, 2))
    born: Mapped[date | None]


class Thing(Base):
    """A column of each kind that is read here, and defaults."""

    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    active: Mapped[bool]
    color: Mapped[Color]
    size: Mapped[str | None] = mapped_column(sa.Enum("S", "M", name="sizes"))
    made: Mapped[datetime | None]
    seen: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    key: Mapped[uuid.UUID | None]
    data: Mapped[Any] = mapped_column(sa.JSON, nullable=True)
    raw: Mapped[bytes | None]
    ratio: Mapped[float | None]
    number: Mapped[int] = mapped_column(default=7)
    tag: Mapped[str] = mapped_column(sa.String(10), default=lambda: "tagged")
    lasts: Mapped[timedelta | None]


class Slug(Base):
    """One default is made from another value of the row."""

    __tablename__ = "slugs"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    slug: Mapped[str] = mapped_column(sa.String(20), default=lambda ctx: ctx.get_current_parameters()["name"].lower())


class Place:
    """An empty database with the tables above, and a folder for files."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self._database = Database(parse(url))
        self._database.run(lambda connection: (Base.metadata.create_all(connection), connection.commit()))

    def file(self, name: str, content: str | bytes) -> str:
        """Write a file; its name."""
        data = content if isinstance(content, bytes) else content.encode()
        (self.folder / name).write_bytes(gzip.compress(data) if name.lower().endswith(".gz") else data)
        return name

    def load(self, model: type, name: str, content: str | bytes | None) -> int:
        """Load a file with ``content``, or the one that is there, committed."""
        if content is not None:
            self.file(name, content)

        def run(connection: sa.Connection) -> int:
            with Session(bind=connection) as db:
                rows = load(db, model, self.folder / name)
                db.commit()
                return rows

        return self._database.run(run)

    def all(self, model: type) -> list[dict[str, Any]]:
        """Every row, as the model reads it."""
        columns = sa.inspect(model).columns

        def run(connection: sa.Connection) -> list[dict[str, Any]]:
            rows = connection.execute(sa.select(*columns).order_by(columns["id"]))
            return [dict(zip(columns.keys(), row, strict=True)) for row in rows]

        return self._database.run(run)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path, driver: str) -> Place:
    """A new database for ``driver``."""
    if driver in SQLITE:
        return Place(f"{driver}:///{tmp_path}/shop.db", tmp_path)
    server: Server = request.getfixturevalue("postgresql" if driver in POSTGRESQL else "mariadb")
    return Place(server.fresh(driver), tmp_path)


PEOPLE = (
    "\ufeffid,full name,nick,age,score,born\r\n"
    '1,"Ada, ""the first""",ada,36,1.50,1815-12-10\r\n'
    '2,"",,,,\r\n'
    '3,"two\nlines","",7,-0.25,2000-01-01\r\n'
)
AS_READ = [
    {
        "id": 1,
        "name": 'Ada, "the first"',
        "nick": "ada",
        "age": 36,
        "score": Decimal("1.50"),
        "born": date(1815, 12, 10),
    },
    {"id": 2, "name": "", "nick": None, "age": None, "score": None, "born": None},
    {"id": 3, "name": "two\nlines", "nick": None, "age": 7, "score": Decimal("-0.25"), "born": date(2000, 1, 1)},
]


@pytest.mark.parametrize("driver", EVERY)
def test_plain_types(place: Place) -> None:
    """The same file gives the same rows everywhere, zipped or not: quotes, empty fields, lines within fields, a BOM."""
    assert place.load(Person, "people.csv.gz", PEOPLE) == 3
    assert place.all(Person) == AS_READ
    execute(place.url, "DELETE FROM people")
    rows = json.dumps([{**row, "score": row["score"] and str(row["score"])} for row in AS_READ], default=str, indent=1)
    assert place.load(Person, "people.json", rows) == 3
    assert place.all(Person) == AS_READ
    assert place.load(Person, "empty.csv", "") == 0
    assert place.load(Person, "header.csv", "id,name\n") == 0
    assert place.load(Person, "empty.json", " [ ]\n") == 0
    assert place.load(Person, "empty.jsonl", "") == 0
    assert place.all(Person) == AS_READ


@pytest.mark.parametrize("driver", EVERY)
def test_texts_stay_as_they_are(place: Place) -> None:
    """Quotes, backslashes, commas and line ends are read in one way, whoever converts the texts; a blank line is no
    row, and the suffix may be written large."""
    names = ['5" pipe', "6' x 2\"", "\\.", "\\N", "a,b", "cr\rlf\r\nnl\n.", " spaces ", "NULL", "\t", "é"]
    unquoted = "".join(f"{n},{name}\n" for n, name in enumerate(names[:4], 1))
    quoted = "".join(f'{n},"{name}"\n\r\n' for n, name in enumerate(names[4:], 5))
    assert place.load(Person, "PEOPLE.CSV", f"\nid,name\n{unquoted}\n\n{quoted}") == len(names)
    assert [row["name"] for row in place.all(Person)] == names


@pytest.mark.parametrize("driver", ["postgresql+psycopg"])
def test_an_early_error_of_a_long_copy(place: Place) -> None:
    """What the server refuses while most of the file is not read yet is said in its words, with its line."""
    rows = "".join(f"{max(n, 7)},name {n}\n\n" for n in range(50_000))
    with pytest.raises(LoadFailed, match=r"p.csv:4: duplicate key .*\(id\)=\(7\) already exists"):
        place.load(Person, "p.csv", f"id,name\n{rows}")
    with pytest.raises(LoadFailed, match=r"P.CSV.GZ:4, column id: .* out of range"):
        place.load(Person, "P.CSV.GZ", "id,name\n1,a\n\n3000000000,b\n")
    with pytest.raises(LoadFailed, match=r"p.csv:2, column the score: numeric field overflow"):
        place.load(Person, "p.csv", "id,name,the score\n1,a,1e12\n")
    with pytest.raises(LoadFailed, match=r"p.jsonl:3: .* (cannot contain NUL|0x00)"):
        place.load(Person, "p.jsonl", '{"id": 1, "name": "a"}\n\n{"id": 2, "name": "a\\u0000"}\n')
    with pytest.raises(LoadFailed, match=r"p.jsonl:4, column score: numeric field overflow"):
        place.load(
            Person,
            "p.jsonl",
            '{"id": 1, "name": "a"}\n{"id": 2, "name": "b", "score": 1}\n\n{"id": 3, "name": "c", "score": 1e12}\n',
        )


THINGS = """\
active,color,size,made,seen,key,data,raw,ratio,lasts,id
yes,RED,M,2026-01-31 12:30:00,2026-01-31T12:00:00Z,00000000-0000-4000-8000-000000000001,"{""a"": [1]}",0aff,0.5,90,1
0,b,,,,,,,,,2
"""


@pytest.mark.parametrize("driver", EVERY)
def test_every_type(place: Place) -> None:
    """Texts become what the columns hold; columns that the file does not have get their defaults."""
    assert place.load(Thing, "things.csv", THINGS) == 2
    first, second = place.all(Thing)
    seen = first.pop("seen")
    # SQLite and MariaDB keep no offset; PostgreSQL gives the moment in its own time zone.
    moment = seen if seen.tzinfo else seen.replace(tzinfo=timezone.utc)
    assert moment == datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    assert first == {
        "id": 1,
        "active": True,
        "color": Color.RED,
        "size": "M",
        "made": datetime(2026, 1, 31, 12, 30),
        "key": uuid.UUID("00000000-0000-4000-8000-000000000001"),
        "data": {"a": [1]},
        "raw": b"\x0a\xff",
        "ratio": 0.5,
        "lasts": timedelta(seconds=90),
        "number": 7,
        "tag": "tagged",
    }
    assert second == {
        **dict.fromkeys(["size", "made", "seen", "key", "data", "raw", "ratio", "lasts"]),
        "id": 2,
        "active": False,
        "color": Color.BLUE,
        "number": 7,
        "tag": "tagged",
    }
    lines = (
        '{"id": 3, "active": true, "color": "BLUE", "data": {"b": null}, "ratio": 2, "lasts": 60}\n\n'
        '{"color": "r", "active": "no", "id": 4, "data": null}\n'
    )
    assert place.load(Thing, "things.jsonl", lines) == 2
    third, fourth = place.all(Thing)[2:]
    assert (third["active"], third["data"], third["ratio"], third["number"]) == (True, {"b": None}, 2.0, 7)
    assert third["lasts"] == timedelta(minutes=1)
    assert (fourth["active"], fourth["color"]) == (False, Color.RED)
    # Not the JSON text null.
    assert execute(place.url, "SELECT id FROM things WHERE data IS NULL ORDER BY id") == [(2,), (4,)]
    assert place.load(Thing, "more.csv", "id,active,color,data\n5,1,b,null\n6,1,b,\n") == 2
    assert execute(place.url, "SELECT count(*) FROM things WHERE data IS NULL") == [(4,)]


@pytest.mark.parametrize("driver", EVERY)
def test_ids_go_on(place: Place) -> None:
    """The next row without an id gets a free one, and none that was given before."""
    add = "INSERT INTO people (\"full name\") VALUES ('new')".replace('"', "`" if "mysql" in place.url else '"')
    for _ in range(3):
        execute(place.url, add)
    place.load(Person, "p.csv", "id,name\n-1,a\n")
    execute(place.url, "DELETE FROM people WHERE id > 1")
    place.load(Person, "p.csv", "id,name\n2,a\n")
    execute(place.url, add)
    if "postgresql" in place.url:
        assert execute(place.url, "SELECT max(id) FROM people") == [(4,)]
    place.load(Person, "p.jsonl", '{"id": 70, "name": "a"}\n{"name": "b", "id": 60}\n')
    execute(place.url, add)
    assert execute(place.url, "SELECT max(id) FROM people") == [(71,)]


@pytest.mark.parametrize("driver", EVERY)
def test_a_default_that_is_made_of_other_values(place: Place) -> None:
    """It is said which column the file has to have."""
    assert place.load(Slug, "slugs.csv", "id,name,slug\n1,A,a\n") == 1
    with pytest.raises(LoadFailed, match=r"slugs.slug: .* Add slug to the file"):
        place.load(Slug, "slugs.csv", "id,name\n2,B\n")


BAD = [
    ("p.csv", "id,name,colour\n1,a,b\n", "p.csv:1: Person has no attribute 'colour'. It has: id, name, nick"),
    ("p.csv", "id,nick\n1,a\n", "p.csv:1: Person needs name, which the file does not have"),
    ("p.csv", "id,name,full name\n", "p.csv:1: the column full name is listed twice"),
    ("p.csv", 'id,name\n1,a\n2,"b\nb"\n3\n', "p.csv:5: 1 field instead of 2"),
    ("p.csv", "id,name\n1,a,9\n", "p.csv:2: 3 fields instead of 2"),
    ("p.csv", 'id,name,age\n1,"a\nb",2\n2,c,old\n', "p.csv:4, column age: 'old' is not a whole number"),
    ("p.csv", "id,name,score\n1,a,1.5\n2,b,1;5\n", "p.csv:3, column score: '1;5' is not a number"),
    ("p.csv", "id,name,born\n1,a,01/02/2026\n", "p.csv:2, column born: '01/02/2026' is not a date such as"),
    ("p.csv", f"id,name\n1,{'x' * 21}\n", "p.csv:2, column name: 'xxxxxxxxxxxxxxxxxxxxx' has 21 characters"),
    ("p.csv", "id,name\n,a\n", "p.csv:2, column id: is empty, and the column does not accept NULL"),
    ("p.csv", "id,name,born\n1,a,today\n", "p.csv:2, column born: 'today' is not a date"),
    ("p.csv", "id,name\n1,a\n\n2\n", "p.csv:4: 1 field instead of 2"),
    (
        "p.csv",
        'id,name,nick\n1,"a\r\nb\nc",n\n\n2,"d\re",n\n',
        "p.csv:7: .*([Uu]nique|UNIQUE|Duplicate|already exists)",
    ),
    ("p.csv", b"id,name\n1,a\n2,\xff\n", "is not UTF-8|this line, or a later one, is not UTF-8"),
    ("p.csv", "id,name,nick\n1,a,n\n2,b,n\n", "p.csv:3: .*([Uu]nique|UNIQUE|Duplicate|already exists)"),
    ("p.json", '{"id": 1}', "p.json:1: not a JSON array of objects"),
    ("p.json", '[\n{"id": 1, "name": "a"},\n{"id": 2, "name"\n}]', "p.json:4: not JSON: "),
    ("p.json", '[\n{"id": 1, "name": "a"}\n{"id": 2}]', "p.json:3: not JSON: a comma or ] is missing"),
    ("p.json", '[\n{"id": 1, "name": "a"},\n{"id": true, "name": "b"}]', "p.json:3, column id: 'True' is not a whole"),
    ("p.json", '[\n{"id": 1, "name": "a"},\n{"id": 2}]', "p.json:3: Person needs name"),
    ("p.json", '[{"id": 1, "name": null}]', "p.json:1, column name: is empty"),
    ("p.jsonl", '{"id": 1, "name": "a"}\n{"id": 2, "name": 5}\n', "p.jsonl:2, column name: '5' is not a text"),
    ("p.jsonl", '{"id": 1, "name": "a"}\n{"id": 2, \n', "p.jsonl:2: not JSON"),
    ("p.jsonl", "[1]\n", r"p.jsonl:1: \[1\] is not an object"),
    ("p.csv", f"id,name\n1,a\n\n{10**30},b\n", "p.csv:4(, column id)?: .*(large|range|Range)"),
    ("p.json", '[{"id": 1, "name": "a"},\n]', "p.json:2: not JSON: Expecting value"),
    ("p.json", '[{"id": 1, "name": "a"}]\n\n[]', "p.json:3: not JSON: unexpected text after the ]"),
    # What Python itself cannot read, and what is no number.
    *(
        (f"p.{kind}", f'{start}{{"id": 1, "name": "a"}}{end}\n{{"name": "b", "age": {value}, "id": 2}}{stop}', said)
        for kind, start, end, stop in (("jsonl", "", "", "\n"), ("json", "[", ",", "]"))
        for value, said in (
            ("[" * 100_000 + "]" * 100_000, rf"p.{kind}:2, column age: nested too deeply"),
            ("9" * 6000, rf"p.{kind}:2, column age: a number of 6000 digits is too long"),
            ("NaN", rf"p.{kind}:2, column age: NaN is not JSON"),
            ('{"a": ["NaN]", -Infinity]}', rf"p.{kind}:2, column age: -Infinity is not JSON"),
        )
    ),
    ("p.jsonl", '{"id": 1, "name": "a", "score": 1e999}\n', "p.jsonl:1, column score: 'inf' is not a number"),
    ("p.csv", "id,name,score\n1,a,1\n2,b,NaN\n", "p.csv:3, column score: 'NaN' is not a number"),
    ("p.csv", "id,name,score\n1,a,Infinity\n", "p.csv:2, column score: 'Infinity' is not a number"),
    ("p.csv", f"id,name,age\n1,a,{'9' * 6000}\n", "p.csv:2(, column age)?: .*(whole number|large)"),
    ("p.txt", "id\n", "p.txt: load\\(\\) reads .csv, .jsonl, .json"),
]


@pytest.mark.parametrize("driver", ["sqlite", *POSTGRESQL, "mysql+pymysql"])
def test_bad_files(place: Place, driver: str) -> None:
    """File, line and column are named, and nothing is kept."""
    for name, content, said in BAD:
        with pytest.raises(LoadFailed) as failed:
            place.load(Person, name, content)
        text = str(failed.value)
        assert re.search(said, text), f"{content!r}: {text}"
        assert place.all(Person) == [], text


@pytest.mark.parametrize("driver", ["sqlite"])
def test_bad_values_of_other_kinds(place: Place) -> None:
    """JSON in a field of a CSV file, and fractions."""
    for column, value in (
        ("data", "NaN"),
        ("data", '"{""a"": -Infinity}"'),
        ("data", "[" * 50_000 + "]" * 50_000),
        ("ratio", "nan"),
        ("ratio", "-inf"),
    ):
        with pytest.raises(LoadFailed, match=rf"things.csv:3, column {column}: .* is not (JSON|a number)"):
            place.load(Thing, "things.csv", f"active,color,{column}\ntrue,RED,1\ntrue,RED,{value}\n")
        assert place.all(Thing) == []


BOMBS = {
    "csv": (b"id,name\n1,a\n2,", b"a", b"\n", "p.csv.gz:3: the line has more"),
    "jsonl": (
        b'{"id": 1, "name": "a"}\n{"id": 2, "name": "',
        b"a",
        b'"}\n',
        "p.jsonl.gz:2: the line has more",
    ),
    "json": (b'[{"id": 1, "name": "a"},\n{"id": 2, "name": "', b"a", b'"}]', "p.json.gz:2: more than 64 MB"),
    # Lines that are long, but not too long: they are not collected.
    "lines.csv": (b"id,name\n", b"1," + b"a" * 100_000 + b"\n", b"", r"lines.csv.gz:2, column name: "),
}


@pytest.mark.thorough
@pytest.mark.parametrize("driver", ["sqlite"])
@pytest.mark.parametrize("kind", BOMBS)
def test_bounded_memory(place: Place, kind: str) -> None:
    """What unzips to 200 MB is refused without being held: a line of it, and a whole .json file, has a limit."""
    start, part, end, said = BOMBS[kind]
    name = f"{kind}.gz" if "." in kind else f"p.{kind}.gz"
    with gzip.open(place.folder / name, "wb", compresslevel=1) as file:
        file.write(start)
        for _ in range(200):
            file.write(part * ((1 << 20) // len(part)))
        file.write(end)
    tracemalloc.start()
    try:
        with pytest.raises(LoadFailed, match=said):
            place.load(Person, name, None)
        assert tracemalloc.get_traced_memory()[1] < 80 << 20
    finally:
        tracemalloc.stop()
    assert place.all(Person) == []


@pytest.mark.parametrize("driver", ["sqlite"])
def test_a_file_that_is_not_there(place: Place) -> None:
    """It is named with the folder where it was looked for; a zipped one that is none, too."""

    def run(connection: sa.Connection) -> None:
        with Session(bind=connection) as db:
            load(db, Person, "nowhere.csv")

    with pytest.raises(LoadFailed, match=rf"nowhere.csv is not in {Path(__file__).parent}"):
        Database(parse(place.url)).run(run)
    (place.folder / "folder.csv").mkdir()
    with pytest.raises(LoadFailed, match=r"folder.csv is not a file"):
        place.load(Person, "folder.csv", None)
    (place.folder / "x.csv.gz").write_bytes(b"not zipped")
    with pytest.raises(LoadFailed, match=r"x.csv.gz cannot be read: Not a gzipped file"):
        Database(parse(place.url)).run(lambda c: load(Session(bind=c), Person, place.folder / "x.csv.gz"))


@pytest.mark.thorough
@pytest.mark.parametrize("driver", [*SQLITE, *POSTGRESQL])
def test_constant_memory(place: Place) -> None:
    """Four times the rows take no more memory, in the two formats that are read line by line."""

    def csv(rows: int) -> str:
        return "id,name,nick\n" + "".join(f"{n},name,{n:0>20}\n" for n in range(rows))

    def lines(rows: int) -> str:
        return "".join(f'{{"id": {n}, "name": "name", "nick": "{n:0>20}"}}\n' for n in range(rows))

    def peak(name: str, content: str) -> int:
        place.file(name, content)
        tracemalloc.start()
        Database(parse(place.url)).run(lambda c: load(Session(bind=c), Person, place.folder / name))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    place.load(Person, "warm.csv", "id,name\n")
    for name, make in (("p.csv", csv), ("p.jsonl", lines))[: 2 if place.url.startswith("sqlite:") else 1]:
        small, large = peak(name, make(6_000)), peak(name, make(24_000))
        assert large < 1.25 * small, f"{name}: {small:,} and {large:,}"
