"""SQL as text: taken apart, compared, and written into a migration as it is."""
