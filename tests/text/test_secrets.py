"""What looks like a password is masked in any text, and nothing else is."""

from __future__ import annotations

import pytest

from fastman_tasks.text.secrets import hide_bound, mask_row, redact

TEXTS = {
    "connection to postgresql://ada:S3same@db/shop failed": "connection to postgresql://ada:***@db/shop failed",
    "postgresql://ada:S3same@x:/y@db/shop failed": "postgresql://ada:***@db/shop failed",
    "host=db user=ada password=S3same timeout=3": "host=db user=ada password=*** timeout=3",
    "password='S3same x' sslpassword=S3same": "password='***' sslpassword=***",
    "postgresql:///shop?user=ada&password=S3same&a=b": "postgresql:///shop?user=ada&password=***&a=b",
    "connect(user='ada', password='S3same')": "connect(user='ada', password='***')",
    "{'passwd': 'S3same', \"api_token\": 12}": "{'passwd': '***', \"api_token\": ***}",
    "SHOP_DB_PASSWORD=S3same": "SHOP_DB_PASSWORD=***",
    "CREATE USER x PASSWORD 'S3''same' LOGIN": "CREATE USER x PASSWORD '***' LOGIN",
    "CREATE ROLE x WITH ENCRYPTED PASSWORD E'S3\\'same' LOGIN": "CREATE ROLE x WITH ENCRYPTED PASSWORD '***' LOGIN",
    "ALTER ROLE x PASSWORD $a$S3same$a$ LOGIN": "ALTER ROLE x PASSWORD *** LOGIN",
    "alter user x identified by 'S3same'": "alter user x identified by '***'",
    "ALTER USER x IDENTIFIED WITH plugin AS 'S3same'": "ALTER USER x IDENTIFIED WITH plugin AS '***'",
    "GRANT a TO b IDENTIFIED BY PASSWORD 'S3same'": "GRANT a TO b IDENTIFIED BY PASSWORD '***'",
    "SET PASSWORD FOR x = PASSWORD('S3same')": "SET PASSWORD FOR x = PASSWORD('***')",
    "SET PASSWORD = 'S3same'": "SET PASSWORD = '***'",
    "OPTIONS (user 'x', password 'S3same')": "OPTIONS (user 'x', password '***')",
    "CREATE USER x PASSWORD 'S3sa …": "CREATE USER x PASSWORD ***",
    "UPDATE users SET a = 'b', password = 'S3same'": "UPDATE users SET a = 'b', password = '***'",
    "INSERT INTO a (b, secret) VALUES ('c', 'S3same'), ('d', lower('S3same')); x": (
        "INSERT INTO a (b, secret) VALUES ('c', '***'), ('d', lower('***')); x"
    ),
    "INSERT INTO a (secret) VALUES ('S3same'); SELECT f('x')": "INSERT INTO a (secret) VALUES ('***'); SELECT f('x')",
    "SELECT dblink('host=db password=S3same')": "SELECT dblink('host=db password=***')",
}
ORDINARY = [
    "Check the user and the password.",
    "postgresql://user:password@host:5432/database",
    "password authentication failed for user 'ada'",
    "sa.Column('password', sa.String(60))",
    "ALTER TABLE users ADD COLUMN password VARCHAR(60) DEFAULT 'x'",
    "CHECK (password <> '')",
    "COMMENT ON COLUMN users.password IS 'a hash'",
    "UPDATE users SET password=?, secret=%(secret)s, token=excluded.token",
    "inv make.migration x --backfill=users.token=VALUE --rename=users.password:secret",
    "Can't locate revision identified by 'abc'",
    "INSERT INTO users (id, name) VALUES (1, 'ada')",
    "https://docs.example/a@b",
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_looks_like_a_password(text: str) -> None:
    """It is masked, whatever it is, and twice is as good as once."""
    assert redact(text) == TEXTS[text]
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("text", ORDINARY)
def test_what_does_not(text: str) -> None:
    """It is left as it is."""
    assert redact(text) == text


@pytest.mark.parametrize(
    ("secret", "text", "masked"),
    [
        ("p@ss w", "p@ss w, p%40ss%20w, p%40ss+w, p%%40ss%%20w", "***, ***, ***, ***"),
        ("a'b\\c", repr("a'b\\c"), '"***"'),
        ("users", "apply users to 2_users_table and app_users", "apply *** to 2_users_table and app_users"),
        ("app", "1 app applied", "1 app applied"),
        ("1", "1 migration applied, password '1'", "1 migration applied, password '***'"),
        ("a long password", "xa long passwordx", "x***x"),
    ],
)
def test_a_password_that_is_known(secret: str, text: str, masked: str) -> None:
    """Every spelling is masked, but no part of another word."""
    assert redact(text, [secret]) == masked


@pytest.mark.parametrize(
    ("statement", "row", "masked"),
    [
        ('INSERT INTO u (id, "password") VALUES (?, ?)', (1, "x"), (1, "***")),
        ("INSERT INTO u (id, token) VALUES (?, ?), (?, ?)", (1, "x", 2, None), (1, "***", 2, None)),
        ("UPDATE u SET password=?, a=? WHERE u.id = ?", ("x", 2, 3), ("***", 2, 3)),
        ("CALL f(password, ?, ?, ?)", (1, 2, 3), ("***", "***", "***")),
        (
            "INSERT INTO u VALUES (:a, :b)",
            {"a": 1, "api_key": "x", "monkey": 2},
            {"a": 1, "api_key": "***", "monkey": 2},
        ),
        ("INSERT INTO u (id, secret) VALUES (?, ?)", [(1, "x"), (2, "y")], [(1, "***"), (2, "***")]),
        ("SELECT 1", None, None),
    ],
)
def test_rows(statement: str, row: object, masked: object) -> None:
    """By the names of the values, or of the columns in the statement; where it is unknown which is which, all."""
    assert mask_row(statement, row) == masked


def test_a_message_that_quotes_the_row() -> None:
    """What the row hides, the message hides."""
    row = {"id": 1, "password": "S3same"}
    assert hide_bound("Failing row contains (1, S3same).", "", row) == "Failing row contains (1, ***)."
    assert hide_bound("nothing bound", None, None) == "nothing bound"
