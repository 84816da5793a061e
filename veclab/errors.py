"""What veclab raises: every message says what is wrong, where, and the way out."""

from __future__ import annotations


class VeclabError(Exception):
    """Root of all errors that veclab raises on purpose; the command line exits with `exit_code`."""

    exit_code = 1


class InputError(VeclabError, ValueError):
    """The texts, files or options given cannot be used as they are."""

    exit_code = 2


class NewerSpace(InputError):
    """A Space as a newer veclab writes it."""


class TextTooLong(InputError):
    """A text is over the model's limit and the policy is `error`."""


class EmptyText(InputError):
    """A text is empty or blank and the policy is `error`."""


class SpaceMismatch(VeclabError):
    """Two sets of vectors come from different spaces, so comparing them would mean nothing."""


class ModelUnavailable(VeclabError):
    """The model cannot be loaded here: not installed, not on disk, refused or damaged."""


class ProviderError(VeclabError):
    """A service that computes vectors refused for good, or failed once too often.

    What was bought before is in the cache.
    """


class CostTooHigh(VeclabError):
    """Going on would cost more than the limit that was set; what was bought is in the cache."""


class BadVectors(VeclabError):
    """A model answered with something that is not a vector per text: wrong shape, NaN, zeros."""


class CacheError(VeclabError):
    """The cache cannot be written; what was saved before is kept."""


class OutputError(VeclabError):
    """The output cannot be written; what was computed is in the cache."""


class StoreError(VeclabError):
    """A store cannot be used: missing, damaged, of a newer version, locked, not to be written."""


class MissingExtra(VeclabError, ImportError):
    """An optional part is not installed; the message names the `pip install` that brings it."""

    def __init__(self, extra: str, needed_for: str) -> None:
        super().__init__(f"{needed_for} needs an optional part: pip install 'veclab[{extra}]'")
        self.extra, self.needed_for = extra, needed_for


def first_line(error: BaseException) -> str:
    """Return what an error says, in one line; its name where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
