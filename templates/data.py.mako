% if table is None:
# The table as it is at this migration, whatever the model becomes later; --table=TABLE fills this in.
# users = sa.table("users", sa.column("id", sa.Integer), sa.column("email", sa.String))
# connection = op.get_bind()
# batch = sa.select(users.c.id).order_by(users.c.id).limit(500)
# keys = connection.scalars(batch).all()
# while keys:
#     connection.execute(
#         users.update().where(users.c.id.in_(keys)).values({users.c.email: sa.func.lower(users.c.email)})
#     )
#     keys = connection.scalars(batch.where(users.c.id > keys[-1])).all()
pass
% else:
# The table as it is at this migration, whatever the model becomes later.
${name} = sa.table(
    ${repr(table)},
% for column in columns:
    ${column},
% endfor
)
connection = op.get_bind()
% if not keys:
# Without a primary key there are no batches:
# connection.execute(${name}.update().where(...).values({${example}: ...}))
% elif len(keys) == 1:
batch = sa.select(${keys[0]}).order_by(${keys[0]}).limit(500)
keys = connection.scalars(batch).all()
while keys:
    # Change the rows of this batch here:
    # connection.execute(${name}.update().where(${keys[0]}.in_(keys)).values({${example}: ...}))
    keys = connection.scalars(batch.where(${keys[0]} > keys[-1])).all()
% else:
key = sa.tuple_(${", ".join(keys)})
batch = sa.select(${", ".join(keys)}).order_by(${", ".join(keys)}).limit(500)
keys = [tuple(row) for row in connection.execute(batch)]
while keys:
    # Change the rows of this batch here:
    # connection.execute(${name}.update().where(key.in_(keys)).values({${example}: ...}))
    keys = [tuple(row) for row in connection.execute(batch.where(key > keys[-1]))]
% endif
% endif
