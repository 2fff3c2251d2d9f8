"""The harness beside this file is imported by the names of its files, by these tests and by measure.py alike."""

import sys
from pathlib import Path

for folder in (Path(__file__).parent, Path(__file__).parents[1] / "training"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
