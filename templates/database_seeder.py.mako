from sqlalchemy.orm import Session


class DatabaseSeeder:
    """The entry point of inv database.seed: it calls the seeders in this order."""

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
