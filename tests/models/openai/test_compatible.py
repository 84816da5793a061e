"""What servers that call themselves compatible do otherwise: each is handled, or named.

The rows say who does it and where it was seen (issues on GitHub, as owner/repository#number).
"""

import json
from collections import Counter

import numpy as np
import pytest
from starlette.responses import JSONResponse

import veclab
from tests.openai_server import KEY, OpenAIServer, hash_vectors
from veclab import BadVectors, ProviderError, SpaceMismatch

TEXTS = [f"text {i}" for i in range(300)]


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    with OpenAIServer(models={"theirs": 24}) as running:
        yield running


def load(server, **options):
    return veclab.load("openai:theirs", base_url=server.url, **options)


def no(status, body):
    """A refusal with a body of the server's own form."""
    return JSONResponse(body, status)


# -- habits of sound answers -----------------------------------------------------------------------


def shuffled(answer):
    return answer | {"data": answer["data"][::-1]}


def without_zero(answer):
    first, *rest = answer["data"]
    return answer | {"data": [{k: v for k, v in first.items() if k != "index"}, *rest]}


def without_any_index(answer):
    data = [{k: v for k, v in item.items() if k != "index"} for item in answer["data"]]
    return answer | {"data": data}


def bare(answer):
    """Neither usage nor a model, and `object` where nobody expects it."""
    return {"data": [item | {"object": "list"} for item in answer["data"]]}


@pytest.mark.parametrize(
    "habit",
    [
        pytest.param(shuffled, id="any proxy that joins parallel answers: order"),
        pytest.param(without_zero, id="Gemini leaves out index 0: spring-projects/spring-ai#7019"),
        pytest.param(without_any_index, id="no index: doobidoo/mcp-memory-service#612"),
        pytest.param(bare, id="OPEA: usage and model null: opea-project/GenAIComps#926"),
    ],
)
def test_a_habit_changes_nothing(server, habit):
    server.habit = habit
    vectors = load(server).embed(TEXTS)
    np.testing.assert_allclose(vectors.array, hash_vectors(TEXTS, 24), atol=1e-6)
    server.asked.pop(0)  # the question for the dimensions
    assert server.bought == Counter(TEXTS)
    assert vectors.report.requests == len(server.asked) == 2  # nothing is bought again


def as_floats(monkeypatch):
    answer = OpenAIServer._answer
    monkeypatch.setattr(
        OpenAIServer,
        "_answer",
        lambda self, asked, texts, body: answer(
            self, asked, texts, body | {"encoding_format": "float"}
        ),
    )


def test_numbers_in_place_of_base64_are_read(server, monkeypatch):
    """Ollama (ollama/ollama#6934), LM Studio (lmstudio-bug-tracker#756), Mistral
    (Mintplex-Labs/anything-llm#5794) and infinity write lists, whatever is asked for."""
    as_floats(monkeypatch)
    vectors = load(server).embed(TEXTS)
    np.testing.assert_allclose(vectors.array, hash_vectors(TEXTS, 24), atol=1e-6)


@pytest.mark.parametrize(
    ("known", "body"),
    [
        pytest.param(
            {"float"},
            {"object": "error", "message": "base64 encoding is not currently supported"},
            id="vLLM of 2024: vllm-project/vllm#5734",
        ),
        pytest.param(
            {None},
            {"error": {"message": "vertex_ai does not support parameters: {'encoding_format'}"}},
            id="LiteLLM before Vertex, Bedrock: BerriAI/litellm#33173, #14685",
        ),
        pytest.param(
            {None},
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "encoding_format"]}]},
            id="a FastAPI server with a strict body",
        ),
    ],
)
def test_the_form_of_numbers_is_asked_for_as_the_server_knows_it(server, known, body, monkeypatch):
    as_floats(monkeypatch)
    server.refuse = lambda asked: (
        None if asked.body.get("encoding_format") in known else no(400, body)
    )
    vectors = load(server).embed(TEXTS)
    np.testing.assert_allclose(vectors.array, hash_vectors(TEXTS, 24), atol=1e-6)
    # Found out once, with the question for the dimensions.
    assert [asked.texts for asked in server.asked if asked.status == 400] == [["hello"]] * (
        1 if "float" in known else 2
    )


# -- less at once ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("most", "status", "body"),
    [
        pytest.param(
            100,
            400,
            [
                {
                    "error": {
                        "message": "* BatchEmbedContentsRequest.requests: at most 100 requests "
                        "can be in one batch\n"
                    }
                }
            ],
            id="Gemini: 100: StarTrail-org/LEANN#214, in a list",
        ),
        pytest.param(
            32,
            413,
            {
                "error": "batch size 256 > maximum allowed batch size 32",
                "error_type": "Validation",
            },
            id="text-embeddings-inference: 32: huggingface/text-embeddings-inference#378",
        ),
        pytest.param(
            64,
            413,
            {"code": 20042, "message": "input batch size 256 > maximum allowed batch size 64"},
            id="SiliconFlow: 64: apecloud/ApeRAG#716",
        ),
        pytest.param(
            10,
            400,
            {
                "error": {
                    "message": "<400> InternalError.Algo.InvalidParameter: Value error, batch "
                    "size is invalid, it should not be larger than 10.: input.contents"
                }
            },
            id="DashScope: 10: memodb-io/memobase#142",
        ),
        pytest.param(
            16,
            400,
            {"error": {"message": "Too many inputs. The max number of inputs is 16.  We hope to"}},
            id="Azure: 16, once 1: Mintplex-Labs/anything-llm#184",
        ),
        pytest.param(
            200,
            400,
            {
                "object": "error",
                "message": "Too many inputs in request, split into more batches.",
                "code": "3210",
            },
            id="Mistral tells no number: raphaelmansuy/edgequake-llm#74",
        ),
    ],
)
def test_a_server_that_takes_fewer_texts_gets_fewer(server, most, status, body):
    server.refuse = lambda asked: no(status, body) if len(asked.texts) > most else None
    model = load(server)
    vectors = model.embed(TEXTS)
    np.testing.assert_allclose(vectors.array, hash_vectors(TEXTS, 24), atol=1e-6)
    assert vectors.report.refused == 0
    server.asked.pop(0)
    bought = server.bought
    bought.pop("hello", None)
    assert bought == Counter(TEXTS)
    # Two batches were on their way when it was learned; afterwards nothing is refused.
    assert sum(asked.status == status for asked in server.asked) <= 2
    before = len(server.asked)
    model.embed([f"more {i}" for i in range(most)])
    assert [asked.status for asked in server.asked[before:]] == [200]


@pytest.mark.parametrize(
    ("most", "status", "message"),
    [
        pytest.param(
            500,
            400,
            "Too many tokens in batch. Max is 500 got 900",
            id="Mistral: aurelio-labs/semantic-router#297",
        ),
        pytest.param(
            500,
            429,
            "Request too large for theirs in organization org-x on tokens per min (TPM): Limit "
            "500, Requested 900. The input or output tokens must be reduced",
            id="OpenAI: more in one request than in a minute",
        ),
        pytest.param(
            500,
            413,
            "tokens_limits_reached - Request body too large for theirs - Max size: 500 tokens",
            id="Azure: nlweb-ai/NLWeb#164",
        ),
    ],
)
def test_a_server_that_takes_fewer_tokens_gets_fewer(server, most, status, message):
    error = {"error": {"message": message}}
    server.refuse = lambda asked: no(status, error) if asked.tokens > most else None
    vectors = load(server).embed(TEXTS)
    np.testing.assert_allclose(vectors.array, hash_vectors(TEXTS, 24), atol=1e-6)
    server.asked.pop(0)
    assert server.bought == Counter(TEXTS)
    assert sum(asked.status == status for asked in server.asked) <= 2


# -- one text --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(
            500,
            {"error": "failed to encode response: json: unsupported value: NaN"},
            id="Ollama: ollama/ollama#15582",
        ),
        pytest.param(
            500,
            {"error": {"code": 500, "message": "input (992 tokens) is too large to process."}},
            id="llama.cpp: lemonade-sdk/lemonade#3591",
        ),
        pytest.param(
            400,
            {"error": {"message": "the input length exceeds the context length"}},
            id="Ollama of 2026, where it does not truncate",
        ),
        pytest.param(
            413,
            {"error": "`inputs` must have less than 512 tokens. Given: 992", "error_type": "V"},
            id="text-embeddings-inference without --auto-truncate",
        ),
        pytest.param(
            400,
            {"object": "error", "message": "This model's maximum context length is 512 tokens."},
            id="vLLM",
        ),
        pytest.param(
            400,
            {"error": {"message": "The response was filtered", "code": "content_filter"}},
            id="Azure's content filter",
        ),
        pytest.param(424, {"error": "inference failed", "error_type": "Backend"}, id="TEI, inside"),
    ],
)
def test_one_text_that_a_server_cannot_embed_is_left_out_with_its_words(
    server, status, body, monkeypatch
):
    monkeypatch.setattr("veclab.models.openai.requests.backoff", lambda number: 0.01)
    server.refuse = lambda asked: no(status, body) if "text 77" in asked.texts else None
    with pytest.warns(UserWarning, match=r"1 refused by the model's endpoint \(77\)"):
        vectors = load(server).embed(TEXTS)
    assert len(vectors) == 299
    words = body.get("message") or body["error"]
    words = words["message"] if isinstance(words, dict) else words
    assert any(f"{status} " in note and words in note for note in vectors.report.notes)


# -- what cannot be handled is named ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        pytest.param(
            200,
            {"error": "Unexpected endpoint or method. (POST /embeddings)"},
            "an error instead of vectors.*Unexpected endpoint.*--base-url",
            id="LM Studio: 200 for any path: lmstudio-ai/lmstudio-bug-tracker#618",
        ),
        pytest.param(
            404,
            {"error": {"message": "model 'theirs' not found, try pulling it first"}},
            "refused the model 'theirs': 404 model 'theirs' not found, try pulling it first",
            id="Ollama: the model is not there",
        ),
        pytest.param(
            501,
            {"error": {"message": "This server does not support embeddings. Start it with "
                       "`--embeddings`"}},
            "501 This server does not support embeddings",
            id="llama.cpp without --embeddings",
        ),
        pytest.param(
            400,
            [{"error": {"message": "API key not valid. Please pass a valid API key."}}],
            "400 API key not valid",
            id="Gemini: a wrong key is a 400, in a list",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_handled_is_said_in_the_servers_words(
    server, status, body, said, monkeypatch
):
    monkeypatch.setattr("veclab.models.openai.requests.backoff", lambda number: 0.01)
    server.refuse = lambda asked: no(status, body)
    with pytest.raises((BadVectors, ProviderError), match=said):
        load(server).embed(["a"])


def test_dimensions_that_are_not_honored_are_named(server):
    """LiteLLM before Ollama gives the full length: BerriAI/litellm#42421."""
    answer = OpenAIServer._answer
    server._answer = lambda asked, texts, body: answer(  # type: ignore[method-assign]
        server, asked, texts, {k: v for k, v in body.items() if k != "dimensions"}
    )
    with pytest.raises(SpaceMismatch, match=r"24 dimensions.*`dimensions` is not honored there"):
        load(server, dimensions=8).embed(["a"])


def test_dimensions_that_are_not_a_parameter_there_are_named(server):
    """Mistral calls them output_dimension, and refuses others."""
    detail = {"detail": [{"type": "extra_forbidden", "loc": ["body", "dimensions"]}]}
    server.refuse = lambda asked: no(422, detail) if "dimensions" in asked.body else None
    with pytest.raises(ProviderError, match=r"422 .*extra_forbidden.*dimensions"):
        load(server, dimensions=8).embed(["a", "b"])


def test_json_of_any_form_is_shown_in_one_line(server):
    server.refuse = lambda asked: no(403, {"fault": {"why": ["a", {"deep": "thing"}]}})
    with pytest.raises(ProviderError, match="403 ") as raised:
        load(server).embed(["a"])
    assert "\n" not in str(raised.value)
    assert json.dumps("thing") in str(raised.value)
