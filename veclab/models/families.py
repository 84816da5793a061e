"""Families of models that were trained with prompts, which their folders often do not hold."""

from __future__ import annotations

import re

from veclab.space import Role

_QUERY = "Represent this sentence for searching relevant passages: "
# By the model's name: the prompt of a query and that of a document, as the model cards say.
_FAMILIES: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"(?:^|/|al-)e5-(?:small|base|large)(?!.*instruct)"), "query: ", "passage: "),
    (re.compile(r"(?:^|/)bge-(?:small|base|large)-en"), _QUERY, ""),
    (re.compile(r"(?:^|/)nomic-embed-text-v1"), "search_query: ", "search_document: "),
    (re.compile(r"(?:^|/)mxbai-embed-large"), _QUERY, ""),
    (re.compile(r"(?:^|/)snowflake-arctic-embed-(?:xs|s|m|l)(?:$|-v1)"), _QUERY, ""),
)


def missing_prompt(model: str, role: Role | None) -> str | None:
    """Return what to say of a model without prompts whose family was trained with some.

    Args:
        model: its name.
        role: of the texts; without one, a family that has a prompt for every text is named.
    """
    for pattern, query, document in _FAMILIES:
        if not pattern.search(model.lower()):
            continue
        wanted = {"query": query, "document": document, None: query if document else ""}[role]
        if not wanted:
            return None
        shown = f"{query!r} and {document!r}" if role is None else repr(wanted)
        return (
            f"{model} has no prompts in its folder, and models of its family were trained with "
            f'{shown} in front of each text: search is worse without. Write them as "prompts" '
            "into config_sentence_transformers.json, or put them in front of the texts"
        )
    return None
