"""Programs to read and to start: `python -m examples.single_db`."""
