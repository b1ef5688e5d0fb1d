"""Analyse what a version file does from its source, without running it. ``downgrades`` is the interface."""
