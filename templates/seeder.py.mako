% for line in imports:
${line}
% endfor


class ${name.class_}:
    """${summary}"""

% if depends_on:
    depends_on = [${", ".join(f'"{each}"' for each in depends_on)}]

% endif
    @staticmethod
    def run(db: ${sample.called['Session'] if sample else 'Session'}) -> None:
% if sample is None:
        # db is a SQLAlchemy Session; inv database.seed commits what is added to it.
        # db.add(${name.subject}(...))
        db.commit()
% else:
% for lookup in sample.lookups:
        ${lookup}
% endfor
% for warning in sample.warnings:
        # ${warning}
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
% if sample.upserts:
        ${sample.called['upsert']}(db, ${sample.called['model']}, rows, key=[${", ".join(f'"{each}"' for each in sample.key)}])
% elif not sample.key:
        # No column is unique, so rows are only added to an empty table.
        if ${sample.is_empty}:
            db.execute(${sample.called['insert']}(${sample.called['model']}), rows)
% else:
% if len(sample.key) == 1:
        known = set(db.scalars(${sample.called['select']}(${", ".join(sample.known)})))
        rows = [row for row in rows if ${sample.key_of_row} not in known]
% else:
        known = {tuple(row) for row in db.execute(${sample.called['select']}(${", ".join(sample.known)}))}
        rows = [row for row in rows if (${sample.key_of_row}) not in known]
% endif
        if rows:
            db.execute(${sample.called['insert']}(${sample.called['model']}), rows)
% endif
        db.commit()
% endif
