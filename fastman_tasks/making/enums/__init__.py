"""Enumerations: types, members and the columns that have them."""
