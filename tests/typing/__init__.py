"""What type checkers say of the public names; read by mypy and pyright, never run."""
