"""Search, answers and reranking over HTTP."""

import json

import httpx
import pytest

from tests.chat_server import Fault
from tests.rag.conftest import server as chat_server  # noqa: F401
from tests.rag.conftest import store_path, word_model  # noqa: F401
from tests.server.conftest import LONG
from veclab.server.documents import Documents
from veclab.store.store import Store

OPENING = "When does the library open?"
FACT = "The library opens at nine in the morning."


@pytest.fixture
def library(threaded, store_path, word_model):  # noqa: F811
    """A server with the small store of the tests of answers."""
    server = threaded(word_model.provider)
    server.serving.documents = Documents(Store.open(store_path, word_model), None)
    return server


def events(answer):
    """Server-sent events: (name, data)."""
    for part in answer.text.removesuffix("\n\n").split("\n\n"):
        kind, data = part.split("\n")
        yield kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_search(library):
    answer = library.post("/v1/search", {"query": "library opens", "top": 2})
    assert answer.status_code == 200, answer.text
    hits = answer.json()["data"]
    assert hits[0]["document"] == "library"
    assert len(hits) == 2
    assert answer.headers["x-veclab-space"] == answer.json()["space"]
    assert library.get(f"/v1/spaces/{answer.json()['space']}").json()["model"] == "words"


def test_what_cannot_be_searched_is_the_clients_to_mend(library):
    for body in (
        {"query": ""},
        {"query": " "},
        {"query": "cats", "top": 0},
        {"query": "cats", "mode": "magic"},
        {"query": "cats", "where": "no such = filter ="},
        {"query": "cats", "where": "unknown = 1"},
        {"query": "cats", "color": "red"},
        {},
    ):
        answer = library.post("/v1/search", body)
        assert answer.status_code == 400, body
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_ask(library):
    answer = library.post("/v1/ask", {"question": OPENING})
    found = library.post("/v1/search", {"query": "cats"}).json()["space"]
    assert answer.headers["x-veclab-space"] == found
    assert library.get(f"/v1/spaces/{found}").status_code == 200
    assert answer.status_code == 200, answer.text
    assert answer.json()["outcome"] == "answered"
    assert answer.json()["claims"][0]["text"] == FACT
    assert answer.json()["sources"][0]["document"] == "library"
    refused = library.post("/v1/ask", {"question": "Who is the president of France?"})
    assert refused.json()["outcome"] == "refused"


def test_ask_as_a_stream(library):
    answer = library.post("/v1/ask", {"question": OPENING, "stream": True})
    assert len(answer.headers["x-veclab-space"]) == 16
    assert answer.headers["content-type"].startswith("text/event-stream")
    *claims, (last, whole) = events(answer)
    assert claims[0][0] == "claim"
    assert claims[0][1]["text"] == FACT
    assert last == "answer"
    assert [claim["text"] for _, claim in claims] == [c["text"] for c in whole["claims"]]


def test_what_goes_wrong_before_the_first_claim_has_a_status(library):
    answer = library.post("/v1/ask", {"question": "cats?", "where": "x = 1", "stream": True})
    assert answer.status_code == 400


def test_a_chat_model_writes_the_answer_and_may_break_off(library, chat_server):  # noqa: F811
    from veclab.rag.chat import ChatModel

    library.serving.documents.chat = ChatModel("openai:model", base_url=chat_server.url)
    chat_server.answers = [Fault("401")]
    answer = library.post("/v1/ask", {"question": OPENING, "stream": True})
    assert answer.status_code == 502
    assert "401" not in answer.json()["error"]["message"]


def test_a_client_that_leaves_an_answer_leaves_nothing_behind(library):
    body = {"question": OPENING, "stream": True}
    with httpx.stream("POST", library.url + "/v1/ask", json=body, timeout=LONG):
        pass
    assert library.post("/v1/search", {"query": "cats"}).status_code == 200


def test_without_a_store_it_is_said_how_to_have_one(server):
    for path, body in (("/v1/search", {"query": "cats"}), ("/v1/ask", {"question": "cats?"})):
        answer = server.post(path, body)
        assert answer.status_code == 404
        assert "--store" in answer.json()["error"]["message"]


@pytest.fixture(scope="module")
def tiny_cross_encoder(tiny_bert):
    from sentence_transformers import CrossEncoder

    folder = tiny_bert.parent / "tiny-reranker"
    base = str(tiny_bert.parent / "tiny-bert-base")
    CrossEncoder(base, num_labels=1, device="cpu").save_pretrained(str(folder))
    return str(folder)


TEXTS = ["the cat sits", "a cat on the mat", "stock markets fell"]


@pytest.fixture
def reranking(server, tiny_cross_encoder):
    from veclab.server.reranking import Reranker

    server.serving.rerankers["tiny"] = Reranker(tiny_cross_encoder)
    return server


def test_cohere_s_client_gets_the_cross_encoders_scores(reranking, tiny_cross_encoder):
    import cohere

    from veclab.store.reranking import cross_encoder

    expected = cross_encoder(tiny_cross_encoder).scores("cat", TEXTS)
    client = cohere.ClientV2(api_key="none", base_url=reranking.url)
    answer = client.rerank(model="tiny", query="cat", documents=TEXTS, top_n=2)
    best = sorted(range(3), key=lambda i: -expected[i])[:2]
    assert [one.index for one in answer.results] == best
    assert answer.results[0].relevance_score == pytest.approx(float(max(expected)), abs=1e-5)
    assert 0 <= answer.results[1].relevance_score <= 1


def test_the_first_version_s_form(reranking):
    body = {"query": "cat", "documents": [{"text": text} for text in TEXTS]}
    answer = reranking.post("/v1/rerank", body | {"return_documents": True})
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert {one["document"]["text"] for one in results} == set(TEXTS)


def test_what_cannot_be_reranked(reranking):
    documents = [*TEXTS, " ".join(["cat"] * 100)]
    body = {"model": "tiny", "query": "cat", "documents": documents}
    answer = reranking.post("/v2/rerank", body)
    assert answer.status_code == 400
    assert "index 3 have" in answer.json()["error"]["message"]
    answer = reranking.post("/v2/rerank", body | {"max_tokens_per_doc": 5})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-veclab-truncated"] == "3"
    for odd in ([], [""], [{}], [3], "cat"):
        assert reranking.post("/v1/rerank", body | {"documents": odd}).status_code == 400
    assert reranking.post("/v1/rerank", body | {"model": "other"}).status_code == 404
