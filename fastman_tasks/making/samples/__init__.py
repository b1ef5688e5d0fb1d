"""Sample rows for a generated seeder."""
