"""Constraints: their names, and the operations that need them."""
