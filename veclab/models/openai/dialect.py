"""How one API is asked for vectors and how it answers: OpenAI's, and what differs elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.models.openai.endpoint import Access
from veclab.models.openai.refusals import TooMuch, read_refusal
from veclab.models.openai.responses import read_answer

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI


class Dialect:
    """OpenAI's `POST /embeddings`; another API derives from it."""

    async def send(self, client: AsyncOpenAI, texts: Sequence[str], body: Mapping[str, Any]) -> Any:
        """Send one request; return the answer as it came, with `headers` and `content`."""
        from openai import Omit

        # Left out, the client itself would ask for base64.
        extra = {} if "encoding_format" in body else {"encoding_format": Omit()}
        return await client.embeddings.with_raw_response.create(
            input=list(texts), **body, extra_body=extra
        )

    def read(
        self, body: bytes, n: int, dim: int | None, content_type: str
    ) -> tuple[NDArray[np.float32], int | None]:
        """Read the vectors and the tokens of an answer; raises Fault where it is something else."""
        return read_answer(body, n, dim, content_type)

    def meaning(
        self, error: APIStatusError, access: Access, texts: int, tokens: int
    ) -> Exception | TooMuch:
        """Return what an answer with an error status means, as `read_refusal` does."""
        return read_refusal(error, access, texts, tokens)


OPENAI_DIALECT = Dialect()
