"""Ask: search, weigh what was found, answer from it, and check every citation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from veclab.errors import InputError
from veclab.pipeline.prepare import repair_surrogates
from veclab.rag.answer import Answer, Line, Writer
from veclab.rag.answer_format import AnswerReader
from veclab.rag.citations import Claim, verify, verify_quotations
from veclab.rag.extractive import Sentence, extract
from veclab.rag.followup import Turn, standing_alone
from veclab.rag.prompt import Message, Prompt, Source, build_prompt
from veclab.rag.reading import CANDIDATES, SEARCH, Reading, read_around
from veclab.rag.threshold import Threshold, find_threshold

if TYPE_CHECKING:
    from veclab.rag.chat import Chat
    from veclab.store.passage import Hit
    from veclab.store.search import Mode
    from veclab.store.store import Store

TOP = 8


def ask(
    store: Store,
    question: str,
    *,
    llm: Chat | str | None = None,
    base_url: str | None = None,
    top: int = TOP,
    mode: Mode = "hybrid",
    where: str | None = None,
    rerank: str | None = None,
    threshold: float | None = None,
    window: int | None = None,
    max_cost: float | None = None,
    earlier: Sequence[Turn] = (),
    on_line: Callable[[Line], None] | None = None,
    on_calibrated: Callable[[int], None] = lambda n: None,
) -> Answer:
    """Answer a question from the documents of a store, with checked citations.

    Args:
        store, question: what is asked, and of which documents.
        llm: `openai:NAME` or a `veclab.rag.chat.Chat`; None to answer with the best sentences.
        base_url: of an OpenAI-compatible endpoint, for `llm`.
        top: how many stretches of text to answer from: passages with what stands around them.
        mode: of the search: `hybrid`, `vector` or `keyword`.
        where: a filter; see `Store.search`.
        rerank: a cross-encoder by name or path, in place of the order by sentences.
        threshold: least evidence for an answer, 0 for any; by default the store's own, which is
            found when it is first needed.
        window: tokens of prompt and answer that the chat model takes.
        max_cost: dollars; a question that could cost more is not sent.
        earlier: questions and answers of the conversation so far.
        on_line: is called with each claim as soon as it has been checked.
        on_calibrated: is called with the number of stand-in questions done.

    Raises:
        InputError: the question is empty, or an option cannot be used.
        SpaceMismatch, StoreError: of the store.
        ProviderError, CostTooHigh, ModelUnavailable, MissingExtra: of the chat model.
    """
    if not question.strip():
        raise InputError("the question is empty; say what you want to know")
    question = repair_surrogates(question)
    chat = _chat(llm, base_url, window, max_cost)
    before = _spent(chat)
    searched, note = standing_alone(question, earlier, chat)
    reading = _search(store, searched, top, mode, where, rerank)
    limit, told = _limit(store, threshold, on_calibrated)
    writer = Writer([hit.passage for hit in reading.hits], chat is None, reading.parts)
    if not reading.hits or reading.evidence.score < limit.value:
        said = _Said(refused=True)
    elif chat is None:
        said = _quote(writer, reading.sentences, on_line)
    else:
        said = _let_write(writer, chat, _prompt(chat, question, reading.hits, earlier), on_line)
    after = _spent(chat)
    return Answer(
        question=question,
        searched=searched,
        outcome="answered" if writer.lines else "refused" if said.refused else "failed",
        by=None if chat is None else chat.name,
        lines=tuple(writer.lines),
        dropped=tuple(writer.dropped),
        references=writer.references(),
        hits=reading.hits,
        evidence=reading.evidence,
        threshold=limit,
        messages=said.messages,
        tokens=(after.prompts - before.prompts, after.answers - before.answers),
        dollars=_difference(after.dollars, before.dollars),
        notes=(*([] if note is None else [note]), *told, *said.notes),
    )


class _Said(NamedTuple):
    """What became of the prompt: whether the sources do not tell, what was sent, and notes."""

    refused: bool = False
    messages: tuple[Message, ...] = ()
    notes: tuple[str, ...] = ()


class _Spent(NamedTuple):
    """Tokens and dollars of a chat model so far; None where no price is known."""

    prompts: int
    answers: int
    dollars: float | None


def _spent(chat: Chat | None) -> _Spent:
    return _Spent(0, 0, 0.0) if chat is None else _Spent(*chat.tokens, chat.dollars)


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _search(
    store: Store, question: str, top: int, mode: Mode, where: str | None, rerank: str | None
) -> Reading:
    """Search more passages than wanted, and keep the `top` best by their sentences."""
    vector = None if not store.count() else store.embed_query(question)
    found = store.search(
        question,
        top=top if top < 1 else max(top, CANDIDATES),  # the search refuses what cannot be
        mode=mode,
        where=where,
        vector=vector,
        rerank=rerank,
        **SEARCH,
    )
    assert vector is not None  # an empty store has raised
    return read_around(store, question, vector, found, top, where)


def _chat(
    llm: Chat | str | None, base_url: str | None, window: int | None, max_cost: float | None
) -> Chat | None:
    if isinstance(llm, str):
        from veclab.rag.chat import ChatModel

        return ChatModel(llm, base_url=base_url, window=window, max_cost=max_cost)
    for name, value in (("base_url", base_url), ("window", window), ("max_cost", max_cost)):
        if value is not None:
            raise InputError(f"{name} goes with a language model that is given by name: llm=...")
    return llm


def _limit(
    store: Store, threshold: float | None, on_calibrated: Callable[[int], None]
) -> tuple[Threshold, list[str]]:
    if threshold is None:
        return find_threshold(store, on_calibrated)
    if not 0 <= threshold <= 1:
        raise InputError(f"a threshold is from 0 (answer always) to 1, not {threshold}")
    return Threshold(threshold, "given"), []


def _quote(
    writer: Writer, sentences: Sequence[Sentence], on_line: Callable[[Line], None] | None
) -> _Said:
    """Answer with the best sentences."""
    texts = [passage.text for passage in writer.passages]
    for claim in extract(sentences):
        _hand_on(writer.take(verify_quotations(claim, texts)), on_line)
    return _Said()


def _prompt(chat: Chat, question: str, hits: Sequence[Hit], earlier: Sequence[Turn]) -> Prompt:
    return build_prompt(
        question,
        [Source(hit.passage.place, hit.passage.text) for hit in hits],
        count=chat.count,
        window=chat.window,
        answer_tokens=chat.answer_tokens,
        earlier=earlier,
    )


def _let_write(
    writer: Writer, chat: Chat, prompt: Prompt, on_line: Callable[[Line], None] | None
) -> _Said:
    """Let the model write, and check each claim as it comes."""
    from veclab.rag.chat import BrokenOff

    reader, notes = AnswerReader(), list(prompt.notes)
    shown = writer.passages[: prompt.sources]
    texts = [passage.text for passage in shown]
    cut = {n for n, p in enumerate(shown, 1) if p.start and p.text.lstrip()[:1].islower()}

    def take(claims: Sequence[Claim]) -> None:
        for claim in claims:
            _hand_on(writer.take(verify(claim, texts, cut)), on_line)

    try:
        for piece in chat.stream(prompt.messages):
            take(reader.feed(piece))
    except BrokenOff as broken:
        notes.append(f"{chat.name} broke off: {broken}. What it said before was checked as usual")
    take(reader.close())
    if reader.stray:
        notes.append(
            f"{chat.name} also wrote {len(reader.stray)} line(s) without claim or quotation, which "
            "were left out"
        )
    if not writer.lines and not reader.refused and not writer.dropped and not reader.stray:
        notes.append(f"{chat.name} answered nothing")
    return _Said(reader.refused, tuple(prompt.messages), (*chat.notes, *notes))


def _hand_on(line: Line | None, on_line: Callable[[Line], None] | None) -> None:
    if line is not None and on_line is not None:
        on_line(line)
