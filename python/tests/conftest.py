import sys
from pathlib import Path

# The installed package if there is one, else the one of this checkout.
try:
    import sparsedrop  # noqa: F401
except ModuleNotFoundError:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
