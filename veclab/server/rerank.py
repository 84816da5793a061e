"""`POST /v1/rerank` and `/v2/rerank`, in Cohere's form."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from veclab.server.bodies import MOST_CHARS, RerankRequest, decode, read_json
from veclab.server.problems import Problem, json_response, unknown_model
from veclab.server.waiting import patience, while_waited_for

if TYPE_CHECKING:
    from veclab.server.reranking import Reranker
    from veclab.server.serving import Serving


async def rerank(request: Request) -> Response:
    """Order documents by how well they answer a query, best first."""
    serving: Serving = request.app.state.serving
    call = request.scope["veclab"]
    asked = decode(await read_json(request), RerankRequest)
    reranker = _find(serving, asked.model)
    texts = [_text(document, i) for i, document in enumerate(asked.documents)]
    call.facts.update(texts=len(texts))
    refuse = serving.settings.on_long == "error"

    def work() -> tuple[list[float], list[int]]:
        read, cut = reranker.cut(texts, asked.max_tokens_per_doc)
        counts = reranker.count(asked.query, read)
        over = [] if (most := reranker.max_tokens) is None else [n > most for n in counts]
        if refuse and any(over):
            i = over.index(True)
            raise Problem(
                400,
                f"'documents': query and document at index {i} have {counts[i]:,} tokens together; "
                f"this model reads at most {most:,}. Shorten it, or give max_tokens_per_doc.",
                param="documents",
                code="context_length_exceeded",
            )
        cut = sorted({*cut, *(i for i, long in enumerate(over) if long)})
        return reranker.scores(asked.query, read).tolist(), cut

    waited = asyncio.ensure_future(reranker.turns.do(work))
    scores, cut = await while_waited_for(
        request, serving, waited, patience(call, serving.settings.timeout)
    )
    order = sorted(range(len(scores)), key=lambda i: -scores[i])[: asked.top_n]
    results: list[dict[str, Any]] = [
        {"index": i, "relevance_score": scores[i]}
        | ({"document": {"text": texts[i]}} if asked.return_documents else {})
        for i in order
    ]
    version = "2" if request.url.path.startswith("/v2/") else "1"
    meta = {"api_version": {"version": version}, "billed_units": {"search_units": 0}}
    headers = {"x-veclab-truncated": ",".join(map(str, cut[:100]))} if cut else None
    return json_response({"id": call.id, "results": results, "meta": meta}, headers)


def _find(serving: Serving, name: str | None) -> Reranker:
    serving.require_ready()
    known = serving.rerankers
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name is None:
        raise Problem(400, f"'model' is missing; there is {_list(known)}.", param="model")
    if name not in known:
        raise unknown_model(name, list(known))
    return known[name]


def _list(names: Sequence[str] | dict[str, Any]) -> str:
    return ", ".join(names) or "no cross-encoder: start the server with --reranker NAME"


def _text(document: str | dict[str, Any], i: int) -> str:
    text = document.get("text") if isinstance(document, dict) else document
    if not isinstance(text, str) or not text.strip():
        said = "must be a text, or an object with one in 'text', and not empty"
    elif len(text) > MOST_CHARS:
        said = f"has {len(text):,} characters; this server takes at most {MOST_CHARS:,}"
    else:
        return text
    raise Problem(400, f"'documents': the one at index {i} {said}.", param="documents")
