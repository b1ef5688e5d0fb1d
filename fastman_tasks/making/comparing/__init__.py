"""What models and database say of the same thing, each database asked in its own words."""
