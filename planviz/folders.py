"""Where planviz finds the files that are not Python packages."""

from __future__ import annotations

from pathlib import Path


def app_folder() -> Path:
    """The folder of app.py, pages/ and assets/: the checkout, or the copy that an installed wheel carries."""
    package = Path(__file__).resolve().parent
    return package / "_app" if (package / "_app").is_dir() else package.parent


def demo_folder() -> Path:
    """The finished comparison that ships with planviz; `make demo` trains it again."""
    return app_folder() / "assets" / "demo"
