# Alembic's configuration; both inv and plain alembic read it.
# The database is named in .env (DATABASE_URL), not here.

[alembic]
script_location = %(here)s/database/migrations
file_template = %%(year)d_%%(month).2d_%%(day).2d_%%(hour).2d%%(minute).2d%%(second).2d_%%(slug)s
truncate_slug_length = 60
prepend_sys_path = %(here)s
path_separator = os
