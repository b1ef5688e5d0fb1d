"""What is made of the names and messages that users type."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastman_tasks import names
from fastman_tasks.errors import UsageError
from fastman_tasks.names import Meaning, SeederName

MEANINGS = {
    "create users table": Meaning("create_table", "users"),
    "create_users_table": Meaning("create_table", "users"),
    "Create Order-Items Table!": Meaning("create_table", "order_items"),
    "create table posts": Meaning("create_table", "posts"),
    "create posts": Meaning("create_table", "posts"),
    "drop users table": Meaning("drop_table", "users"),
    "remove table users": Meaning("drop_table", "users"),
    "delete old users table": Meaning("drop_table", "old_users"),
    "rename posts to articles": Meaning("rename_table", "posts", new="articles"),
    "rename table posts to articles": Meaning("rename_table", "posts", new="articles"),
    "rename posts table to articles table": Meaning("rename_table", "posts", new="articles"),
    "add email to users": Meaning("add_column", "users", ("email",)),
    "add email column to users": Meaning("add_column", "users", ("email",)),
    "add email column to users table": Meaning("add_column", "users", ("email",)),
    "add column email to users": Meaning("add_column", "users", ("email",)),
    "add email and phone columns to users": Meaning("add_column", "users", ("email", "phone")),
    "drop email from users": Meaning("drop_column", "users", ("email",)),
    "remove email and phone columns from users table": Meaning("drop_column", "users", ("email", "phone")),
    "drop column email from users": Meaning("drop_column", "users", ("email",)),
    "rename email to mail on users": Meaning("rename_column", "users", ("email",), "mail"),
    "rename email column to mail in users table": Meaning("rename_column", "users", ("email",), "mail"),
    "rename email on users to mail": Meaning("rename_column", "users", ("email",), "mail"),
    "create orders index": Meaning("index", "orders"),
    "add index on orders": Meaning("index", "orders"),
    "add index to orders": Meaning("index", "orders"),
    "create index on orders table": Meaning("index", "orders"),
    "drop orders index": Meaning("index", "orders"),
    "remove index from orders": Meaning("index", "orders"),
    "create search index table": Meaning("create_table", "search_index"),
    "add index column to posts": Meaning("add_column", "posts", ("index",)),
    "create straßen table": Meaning("create_table", "straßen"),
}


@pytest.mark.parametrize("message", MEANINGS)
def test_a_message_that_is_understood(message: str) -> None:
    """Each form of a message means one thing, in any case and with any punctuation between its words."""
    assert names.meaning(message) == MEANINGS[message]


@pytest.mark.parametrize("message", ["tidy up", "backfill emails", "add email", "drop users", "rename email", "table"])
def test_a_message_that_is_not_understood(message: str) -> None:
    """A message that names no table, or no change, means nothing: it is never guessed at."""
    assert names.meaning(message) is None


def test_the_flags_say_what_the_message_does_not() -> None:
    """--create makes any message create that table; --table gives the table, also over the message's own."""
    assert names.meaning("tidy up", create="carts") == Meaning("create_table", "carts")
    assert names.meaning("add email", table="users") == Meaning("add_column", "users", ("email",))
    assert names.meaning("add email to users", table="people") == Meaning("add_column", "people", ("email",))
    assert names.meaning("drop email column", table="users") == Meaning("drop_column", "users", ("email",))
    assert names.meaning("rename email column to mail", table="u") == Meaning("rename_column", "u", ("email",), "mail")
    assert names.meaning("tidy up", table="users") is None


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("--help", "--help' is not a message. For help: inv --help make.migration"),
        ("-x", "is not a message"),
        ("a\nb", "line break"),
        ("a\x00b", "cannot be printed"),
        ("\x1b[31mred", "cannot be printed"),
        ("caf\udce9", "cannot be printed"),
        ("a" * 201, "201 characters"),
        ("?!/_..", "needs a letter or a digit"),
    ],
)
def test_a_message_that_is_refused(message: str, complaint: str) -> None:
    """What cannot name a file or stand in a docstring is wrong usage, and the text says why."""
    with pytest.raises(UsageError) as refused:
        names.require_message(message)
    assert complaint in str(refused.value)
    assert str(refused.value).isprintable(), "the refusal itself would garble the terminal"


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=80))
def test_a_docstring_holds_any_message(message: str) -> None:
    """Whatever a message is made of, between triple quotes it is Python that says exactly the message."""
    module = ast.parse(f'"""{names.escape_docstring(message)}\n\nRevision ID: 1\n"""')
    assert ast.get_docstring(module, clean=False) == f"{message}\n\nRevision ID: 1\n"


@pytest.mark.parametrize("table", ["users", "order items", "a$b", "straße", "2024_sales"])
def test_a_table_name_is_kept_as_it_is(table: str) -> None:
    """--create and --table take what databases take, unchanged."""
    assert names.require_table(table, "create") == table


@pytest.mark.parametrize("table", ["a;b", "../x", 'a"b', "a'b", "a\\b", "a\nb", "$x"])
def test_a_table_name_that_is_refused(table: str) -> None:
    """What is more likely a slip than a table's name is wrong usage, named with its flag."""
    with pytest.raises(UsageError, match="--create="):
        names.require_table(table, "create")


@pytest.mark.parametrize("typed", ["user", "User", "UserSeeder", "user_seeder", "userSeeder", "user seeder", " user "])
def test_one_seeder_under_many_names(typed: str) -> None:
    """However it is spelled, it is the same file and the same class."""
    assert names.seeder_name(typed) == SeederName("user_seeder", "UserSeeder", "User")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("order_item", SeederName("order_item_seeder", "OrderItemSeeder", "OrderItem")),
        ("OrderItem", SeederName("order_item_seeder", "OrderItemSeeder", "OrderItem")),
        ("HTTPCall", SeederName("http_call_seeder", "HTTPCallSeeder", "HTTPCall")),
        ("seeder", SeederName("seeder_seeder", "SeederSeeder", "Seeder")),
        ("class", SeederName("class_seeder", "ClassSeeder", "Class")),
        ("none", SeederName("none_seeder", "NoneSeeder", "None")),
        ("straße", SeederName("straße_seeder", "StraßeSeeder", "Straße")),
    ],
)
def test_a_seeder_s_module_and_class(typed: str, expected: SeederName) -> None:
    """Words become snake_case for the file and CamelCase for the class; reserved words are harmless within them."""
    assert names.seeder_name(typed) == expected
    compile(f"class {expected.class_}: pass", expected.module, "exec")


@pytest.mark.parametrize(
    "typed",
    ["", " ", "--help", "-", "../user", "a/b", "a\\b", "a.b", "us'er", 'us"er', "us\ner", "2fast", "_", "a" * 201],
)
def test_a_seeder_name_that_is_refused(typed: str) -> None:
    """What no Python module and class can be named is wrong usage."""
    with pytest.raises(UsageError):
        names.seeder_name(typed)
