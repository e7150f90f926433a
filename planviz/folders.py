"""Where planviz finds the files that are not Python packages."""

from __future__ import annotations

import functools
import shutil
import sys
from importlib import resources
from pathlib import Path


def app_folder() -> Path:
    """The folder of app.py, pages/ and assets/: the checkout, or the copy that an installed wheel carries."""
    package = Path(__file__).resolve().parent
    return package / "_app" if (package / "_app").is_dir() else package.parent


def make_benchmarks_importable() -> None:
    """Let `import benchmarks` find the benchmarks, which lie beside app.py."""
    folder = str(app_folder())
    if folder not in sys.path:
        sys.path.append(folder)


def demo_folder() -> Path:
    """The finished comparison that ships with planviz; `make demo` trains it again."""
    return app_folder() / "assets" / "demo"


@functools.cache
def provide_plotly() -> None:
    """Put plotly.js where the server serves it, in static/; it is renewed when the plotly package changes."""
    target = app_folder() / "static" / "plotly.min.js"
    with resources.as_file(resources.files("plotly") / "package_data" / "plotly.min.js") as source:
        if not target.exists() or target.stat().st_size != source.stat().st_size:
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, target)
