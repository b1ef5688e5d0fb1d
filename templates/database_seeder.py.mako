from sqlalchemy.orm import Session


class DatabaseSeeder:
    """What inv database.seed runs: the seeders that are called here, in this order."""

    def run(self, db: Session) -> None:
% if seeders:
        self.call(
% for each in seeders:
            "${each}",
% endfor
        )
% else:
        # self.call("UserSeeder", "PostSeeder")
        db.commit()
% endif
