"""What vectors cost: one dated table, and the user's own entries over it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from veclab.errors import InputError
from veclab.home import home
from veclab.jsontext import parse_json

TABLE = Path(__file__).with_name("prices.json")
# In the user's veclab directory, in the same form as the table.
OVERRIDE = "prices.json"
# Days after which a table is old.
HALF_A_YEAR = 183


@dataclass(frozen=True, slots=True)
class Price:
    """Of one model.

    Attributes:
        per_million: dollars for a million tokens, asked for at once.
        batch_discount: what part of it the Batch API takes off.
        as_of: the day the table was made.
        source: the file it comes from.
    """

    per_million: float
    batch_discount: float
    as_of: str
    source: Path

    def dollars(self, tokens: int, *, batch: bool = False) -> float:
        """Return what so many tokens cost."""
        return tokens / 1e6 * self.per_million * (1 - self.batch_discount if batch else 1)

    @property
    def note(self) -> str:
        """What the user should know of its age; empty where there is nothing."""
        return age_note(self.as_of, self.source)


def age_note(as_of: str, source: Path) -> str:
    """Say that prices of a day are over half a year old; empty where they are not, or undated."""
    try:
        day = date.fromisoformat(as_of)
    except ValueError:
        return ""
    days = (datetime.now(UTC).date() - day).days
    if days <= HALF_A_YEAR:
        return ""
    return (
        f"the prices are of {as_of}, {days / 30.44:.0f} months ago, and may have changed since: "
        f"costs and cost limits are estimates ({source}; docs/openai.md says how to write down "
        "your own)"
    )


def find_price(model: str, endpoint: str | None = None) -> Price | None:
    """Find the price of a model, or None where it is not in a table.

    Looked for in `VECLAB_HOME/prices.json`, then in veclab's own table. An entry is named by the
    model, or `model@endpoint` for another endpoint than OpenAI's.

    Raises:
        InputError: the user's table cannot be read.
    """
    name = model if endpoint is None else f"{model}@{endpoint}"
    for path in (home() / OVERRIDE, TABLE):
        table = read_table(path)
        prices = table.get("dollars_per_million_tokens", {})
        if name not in prices:
            continue
        price, discount = prices[name], table.get("batch_discount", 0.5)
        if not _sound(price) or not _sound(discount) or discount > 1:
            raise InputError(f"{path}: the price of {name} must be a number of dollars, 0 or more")
        return Price(float(price), float(discount), str(table.get("as_of", "no date")), path)
    return None


def _sound(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e9


def read_table(path: Path) -> dict[str, Any]:
    """Read a table of prices; {} where there is none.

    Raises:
        InputError: it cannot be read, or is not a table of prices.
    """
    try:
        table = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"the price table {path} cannot be read: {error}") from None
    prices = table.get("dollars_per_million_tokens", {}) if isinstance(table, dict) else None
    if not isinstance(prices, dict):
        raise InputError(
            f"the price table {path} is not of the form "
            '{"as_of": "2026-11-22", "dollars_per_million_tokens": {"MODEL": 0.02}}'
        )
    return dict(table)
