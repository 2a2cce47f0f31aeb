"""Benchmarks, to be run with ``python -m``. Timings live here, never in tests."""
