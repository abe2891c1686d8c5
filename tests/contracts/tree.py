"""Where the project's own files are: all of the checkout that is not built, fetched or run."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LEFT_OUT = {".git", ".venv", ".restante", "__pycache__", "dist", "node_modules", "vendor"}


def own_files(*endings: str) -> Iterator[Path]:
    """Every file of ours, or only those with one of these endings. Needs no git."""
    folders = [ROOT]
    for folder in folders:
        for path in sorted(folder.iterdir()):
            if path.name in LEFT_OUT or path.name.endswith("_cache") or path.name == ".hypothesis":
                continue
            if path.is_dir():
                folders.append(path)
            elif not endings or path.suffix in endings:
                yield path
