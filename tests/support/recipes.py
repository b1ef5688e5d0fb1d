"""What applications copy from SQLAlchemy's documentation."""

# SQLAlchemy's documentation, "SAVEPOINT support and transactional DDL" of pysqlite and of aiosqlite.
RECIPE = """
from sqlalchemy import event


@event.listens_for({target}, "connect")
def do_connect(dbapi_connection, connection_record):
    dbapi_connection.isolation_level = None


@event.listens_for({target}, "begin")
def do_begin(connection):
    connection.exec_driver_sql("{begin}")
"""
