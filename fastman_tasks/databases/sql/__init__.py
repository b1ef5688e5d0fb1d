"""SQL as text, taken apart: its tokens, and what makes a table of SQLite."""
