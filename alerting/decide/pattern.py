"""Regular expressions that people write in matchers. The only place that compiles one that is no literal. Pure.

RE2 matches in a time proportional to the text. Python's `re` needs exponential time for some patterns, during which
the event loop of the gateway stands still. RE2 therefore has neither back references nor look-arounds. A pattern has
a limited length, and its program a limited number of instructions, so that each match takes at most milliseconds.
"""

from functools import lru_cache

import re2

from alerting.errors import SettingsError

MAX_LENGTH = 1_000  # characters of a pattern
MAX_INSTRUCTIONS = 2_000  # of its program: `.{300}` has 2,404
_MAX_MEMORY = 1 << 18  # bytes for the program and its automaton: compiling stops early if they do not fit
_MAX_RESULTS = 128  # per pattern: the same few values of labels come again with every alert
_UNSUPPORTED = ("invalid perl operator: (?=", "invalid perl operator: (?!", "invalid perl operator: (?<",
                "invalid perl operator: (?P", "invalid perl operator: (?>", "invalid escape sequence: \\")  # fmt: skip


class Pattern:
    """A compiled regular expression that must match a whole text. `instructions`: of its program."""

    def __init__(self, text: str) -> None:
        """Raises SettingsError, which states the cause and the remedy."""
        if len(text) > MAX_LENGTH:
            raise SettingsError(f"longer than {MAX_LENGTH} characters; use several matchers or a shorter one")
        try:
            self._compiled = re2.compile(text.encode(), _make_options())
        except UnicodeEncodeError:
            raise SettingsError("holds a character that is none; write it again") from None
        except re2.error as error:
            raise SettingsError(_describe_error(error)) from None
        self.instructions: int = self._compiled.programsize
        if self.instructions > MAX_INSTRUCTIONS:
            raise SettingsError(_TOO_LARGE)
        self._results: dict[str, bool] = {}

    def matches(self, text: str) -> bool:
        """Return whether the whole text matches."""
        result = self._results.get(text)
        if result is None:
            result = self._compiled.fullmatch(text.encode("utf-8", "surrogatepass")) is not None
            if len(self._results) >= _MAX_RESULTS:
                self._results = {}
            self._results[text] = result
        return result


@lru_cache(maxsize=512)
def compile_pattern(text: str) -> Pattern:
    """Compile a pattern, or return the one that was compiled before. Raises SettingsError."""
    return Pattern(text)


_TOO_LARGE = "too large for a regular expression; use smaller numbers of repetitions, or list the values as a|b"


def _make_options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MAX_MEMORY
    return options


def _describe_error(error: Exception) -> str:
    """Return RE2's error in one sentence with a remedy."""
    reason = error.args[0].decode(errors="replace") if error.args and isinstance(error.args[0], bytes) else str(error)
    if "too large" in reason or "repetition size" in reason:
        return _TOO_LARGE
    if reason.startswith(_UNSUPPORTED):
        return f"{reason}; back references and look-arounds are not supported, list the values as a|b"
    return f"{reason}; correct the regular expression"
