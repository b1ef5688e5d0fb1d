"""One database: its URL, its connections, and what happens on them."""
