"""The Space that a veclab server names in every answer (`x-veclab-space`).

An endpoint's URL and a model's name do not say which weights answer; this id does. Where it is
known before the first vector it is part of the Space of what is embedded. When it changes, nothing
more is embedded in the Space that the run began with.
"""

from __future__ import annotations

import re

from veclab.errors import SpaceMismatch
from veclab.models.openai.endpoint import recall, remember

_ID = re.compile("[0-9a-f]{16}")
FACT = "served_space"


class ServedSpace:
    """What one endpoint said of one model, in this run and before.

    Attributes:
        url, model, dimensions: whose, and for vectors of which length (None for its own).
    """

    def __init__(self, url: str, model: str, dimensions: int | None) -> None:
        self.url, self.model, self.dimensions = url, model, dimensions
        self._known: str | None = None
        self._settled = False

    def settle(self) -> tuple[tuple[str, str], ...]:
        """Return what it adds to the configuration of our Space, from now on the same."""
        facts = recall(self.url, self.model, self.dimensions)
        self._known, self._settled = facts.served_space, True
        return ((FACT, self._known),) if self._known and facts.in_space else ()

    def met(self, served: str) -> None:
        """Take note of what an answer says.

        Raises:
            SpaceMismatch: it is another Space than before.
        """
        if served == self._known or not _ID.fullmatch(served):
            return
        before = self._known
        # Met after the Space was made it can only be compared: equal Spaces stay equal.
        late = self._settled and before is None
        remember(self.url, self.model, self.dimensions, served_space=served, in_space=not late)
        if not self._settled or before is None:
            self._known = served
        else:
            raise SpaceMismatch(
                f"{self.url} serves another model under the name {self.model} than before: its "
                f"Space was {before} and is {served} ({self.url}/spaces/{served} shows it). "
                "Vectors of the two cannot be compared, and nothing of this answer was kept. Run "
                "again (in Python: load the model again) to go on with the new one, in a Space of "
                "its own"
            )
