"""What chat models cost: a dated table, and the user's own entries over it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from veclab.errors import InputError
from veclab.home import home
from veclab.models.openai.prices import OVERRIDE, age_note, read_table

TABLE = Path(__file__).with_name("prices.json")
KEY = "chat_dollars_per_million_tokens"


@dataclass(frozen=True, slots=True)
class ChatPrice:
    """Dollars for a million tokens of prompt and of answer; `as_of` the day it was written down."""

    input: float
    output: float
    as_of: str
    source: Path

    @property
    def note(self) -> str:
        """What the user should know of its age; empty where there is nothing."""
        return age_note(self.as_of, self.source)

    def dollars(self, prompt: int, answer: int) -> float:
        """What so many tokens cost."""
        return (prompt * self.input + answer * self.output) / 1e6


def find_chat_price(model: str, endpoint: str | None = None) -> ChatPrice | None:
    """The price of a chat model, or None where nobody wrote one down.

    Looked for in `VECLAB_HOME/prices.json`, then in veclab's own table. An entry is named by the
    model, or `model@endpoint` for another endpoint than OpenAI's.

    Raises:
        InputError: a table cannot be read, or the entry is no pair of prices.
    """
    name = model if endpoint is None else f"{model}@{endpoint}"
    for path in (home() / OVERRIDE, TABLE):
        table = read_table(path)
        prices = table.get(KEY)
        entry = prices.get(name) if isinstance(prices, dict) else None
        if entry is None:
            continue
        try:
            prompt, answer = float(entry["input"]), float(entry["output"])
        except (TypeError, KeyError, ValueError):
            prompt = answer = -1.0
        if not (0 <= prompt < 1e9 and 0 <= answer < 1e9):
            raise InputError(
                f"{path}: the price of {name} must look like "
                f'"{KEY}": {{"{name}": {{"input": 0.15, "output": 0.6}}}}'
            )
        return ChatPrice(prompt, answer, str(table.get("as_of", "no date")), path)
    return None
