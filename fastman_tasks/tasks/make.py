"""Write new migrations and seeders."""
