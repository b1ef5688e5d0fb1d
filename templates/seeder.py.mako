% for line in imports:
${line}
% endfor


class ${name.class_}:
    """${summary}"""

    @staticmethod
    def run(db: Session) -> None:
% if sample is None:
        # db is a SQLAlchemy Session; inv database.seed commits what is added to it.
        # db.add(${name.subject}(...))
        db.commit()
% else:
% for lookup in sample.lookups:
        ${lookup}
% endfor
        rows = [
% for row in sample.rows:
% if len(", ".join(f'"{key}": {value}' for key, value in row.items())) < 90:
            {${", ".join(f'"{key}": {value}' for key, value in row.items())}},
% else:
            {
% for key, value in row.items():
                "${key}": ${value},
% endfor
            },
% endif
% endfor
        ]
% if sample.key:
        known = set(db.scalars(select(${sample.model.__name__}.${sample.key})))
        rows = [row for row in rows if row["${sample.key}"] not in known]
        if rows:
            db.execute(insert(${sample.model.__name__}), rows)
% else:
        db.execute(insert(${sample.model.__name__}), rows)
% endif
        db.commit()
% endif
