"""Read what a version file does from its source, without running it; ``downgrades`` is where it is asked."""
