"""Lanes: what computes one batch at a time, and the shapes of batch that it has kernels for.

A server meets small batches of every shape, and making the kernels of a new one takes as long as 43
tokens. A shape that is there already and a little larger costs less, padding included.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

Shape = tuple[int, int]  # texts, tokens of each


@dataclass(slots=True)
class Shapes:
    """The shapes that one lane has kernels for, and which to run a batch in.

    A new shape is made when running its batches in larger ones has cost as much as making it would
    have: so no run of batches costs more than twice what the best choice would (the ski rental
    problem; Karlin et al. 1988, "Competitive snoopy caching").

    Attributes:
        cost: of making a new one, in tokens.
        most: how many are kept; of more the one that was not used for longest goes.
    """

    cost: int
    most: int
    _known: OrderedDict[Shape, None] = field(default_factory=OrderedDict)
    _wasted: dict[Shape, int] = field(default_factory=dict)

    def choose(self, texts: int, tokens: int) -> Shape:
        """Return the shape, at least as large, that a batch is run in."""
        wanted = (texts, tokens)
        chosen = wanted if wanted in self._known else self._larger(wanted)
        self._known[chosen] = None
        self._known.move_to_end(chosen)
        if len(self._known) > self.most:
            self._known.popitem(last=False)
        return chosen

    def _larger(self, wanted: Shape) -> Shape:
        texts, tokens = wanted
        larger = [shape for shape in self._known if shape[0] >= texts and shape[1] >= tokens]
        if not larger:
            return wanted
        best = min(larger, key=lambda shape: shape[0] * shape[1])
        wasted = self._wasted.get(wanted, 0) + best[0] * best[1] - texts * tokens
        if wasted >= self.cost:
            self._wasted.pop(wanted, None)
            return wanted
        self._wasted[wanted] = wasted
        return best


@dataclass(frozen=True, slots=True)
class Lane:
    """An infer request of a compiled model.

    Attributes:
        request: openvino.InferRequest, for one batch at a time.
        shapes: None where batches are run as they are, so that equal ones give equal bits.
    """

    request: Any
    shapes: Shapes | None = None
