"""What the tasks cost, as ratios against Invoke and Alembic alone: ``python -m benchmarks`` from the root."""
