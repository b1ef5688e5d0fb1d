"""What new migrations are made of."""
