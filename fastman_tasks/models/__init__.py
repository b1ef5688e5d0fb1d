"""The project's models."""
