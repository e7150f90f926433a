"""Where planviz finds the files that are not Python packages."""

from __future__ import annotations

import functools
import importlib.util
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
    with resources.as_file(resources.files("plotly") / "package_data" / "plotly.min.js") as source:
        _provide(source)


@functools.cache
def provide_vis_network() -> None:
    """Put vis-network where the server serves it, in static/; it is renewed when the pyvis package changes."""
    _provide(vis_network())


def vis_network() -> Path:
    """vis-network as pyvis ships it; found without importing pyvis, which would import IPython."""
    spec = importlib.util.find_spec("pyvis")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pyvis is not installed; the network view needs the vis-network it ships")
    return Path(spec.origin).parent / "lib" / "vis-9.1.2" / "vis-network.min.js"


def _provide(source: Path) -> None:
    target = app_folder() / "static" / source.name
    if not target.exists() or target.stat().st_size != source.stat().st_size:
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, target)
