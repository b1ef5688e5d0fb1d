"""What was done to a database, when and by whom: the table ``fastman_history`` beside the version table.

The version table stays the truth. The history is a log: it stops no command when it cannot be written.
"""
