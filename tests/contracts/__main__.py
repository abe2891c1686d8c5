"""The gate `imports` of `./restante check`: prints each breach, exit status 1 if there is one."""

import sys
from pathlib import Path

from tests.contracts.imports import breaches

found = breaches(Path(__file__).resolve().parents[2])
print("\n".join(found))
sys.exit(1 if found else 0)
