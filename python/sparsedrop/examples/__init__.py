"""Programs that use the package, to be run with ``python -m``."""
