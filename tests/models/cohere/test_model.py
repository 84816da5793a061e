"""Cohere's models against a server that holds to the published specification."""

import numpy as np
import pytest

pytest.importorskip("openai", reason="needs veclab[cohere]")

import veclab
from tests.models.cohere.server import KEY, SPECIFICATION, CohereServer
from tests.models.openai.hanging import let_hanging_time_out
from tests.openai_server import hash_vectors
from veclab import InputError, ModelUnavailable, ProviderError, SpaceMismatch
from veclab.models.cohere.model import KNOWN, CohereModel
from veclab.models.openai.canary import CANARY
from veclab.testing import check_provider

TEXTS = ["the cat sits", "a feline rests", "stock markets fell"]
SOON = {"retry-after-ms": "1"}


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for variable in ("COHERE_API_KEY", "CO_API_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CO_API_KEY", KEY)
    with CohereServer() as running:
        yield running


@pytest.fixture
def model(server):
    return veclab.load("cohere:embed-v4.0", base_url=server.url)


def asked(server):
    """The bodies of requests for a user's texts."""
    return [body for body in server.bodies if tuple(body["texts"][:3]) != CANARY]


def test_vectors_are_the_server_s_and_bought_once(server, model):
    vectors = model.embed(TEXTS)
    assert np.allclose(
        vectors.array, hash_vectors([f"search_document|{t}" for t in TEXTS], 1536), atol=1e-6
    )
    assert vectors.report.tokens_bought == sum(len(t.split()) for t in [*TEXTS, *CANARY, *CANARY])
    assert vectors.space.provider == "cohere"
    count = len(server.bodies)
    again = model.embed(TEXTS)
    assert (again.report.cached, len(server.bodies)) == (3, count)


def test_roles_are_input_types(server, model):
    model.embed(TEXTS)
    model.embed(TEXTS, role="document")  # the same vectors: from the cache
    query = model.embed(TEXTS, role="query")
    types = [body["input_type"] for body in asked(server)]
    assert types == ["search_document", "search_query"]
    assert np.allclose(
        query.array, hash_vectors([f"search_query|{t}" for t in TEXTS], 1536), atol=1e-6
    )
    assert {body["truncate"] for body in server.bodies} == {"NONE"}
    # The canary is always of one type, whatever comes first.
    canaries = {b["input_type"] for b in server.bodies if tuple(b["texts"][:3]) == CANARY}
    assert canaries == {"search_document"}


def test_a_store_takes_the_roles(server, model, tmp_path):
    pytest.importorskip("lance", reason="needs veclab[store]")
    with veclab.Store.open(tmp_path / "store", model, create=True) as store:
        store.add(TEXTS)
        store.search("cat", mode="vector")
    assert [body["input_type"] for body in asked(server)] == ["search_document", "search_query"]


@pytest.mark.parametrize("purpose", ["classification", "clustering"])
def test_a_purpose_is_a_space_of_its_own(server, model, purpose):
    other = veclab.load(f"cohere:embed-v4.0/{purpose}", base_url=server.url)
    made = other.embed(TEXTS, role="query")
    assert asked(server)[-1]["input_type"] == purpose
    assert asked(server)[-1]["model"] == "embed-v4.0"
    with pytest.raises(SpaceMismatch, match="prompts"):
        veclab.similarity(made, model.embed(TEXTS))
    assert veclab.load_for(made.space).space.same_as(made.space)


def test_96_texts_a_request(server, model):
    texts = [f"text {n}" for n in range(200)]
    made = model.embed(texts)
    sizes = sorted(len(body["texts"]) for body in asked(server))
    assert sum(sizes) == 200
    assert max(sizes) == 96
    assert len(sizes) == 3
    assert np.allclose(
        made.array, hash_vectors([f"search_document|{t}" for t in texts], 1536), atol=1e-6
    )


def test_dimensions(server):
    short = veclab.load("cohere:embed-v4.0", base_url=server.url, dimensions=256)
    assert short.embed(TEXTS).shape == (3, 256)
    assert server.bodies[-1]["output_dimension"] == 256
    veclab.load("cohere:embed-v4.0", base_url=server.url, dimensions=1536).embed(TEXTS)
    assert "output_dimension" not in server.bodies[-1]
    with pytest.raises(InputError, match="256, 512, 1024, 1536"):
        veclab.load("cohere:embed-v4.0", dimensions=300)
    with pytest.raises(InputError, match="1024"):
        veclab.load("cohere:embed-english-v3.0", dimensions=256)
    light = veclab.load("cohere:embed-english-light-v3.0", base_url=server.url)
    assert light.embed(TEXTS).shape == (3, KNOWN["embed-english-light-v3.0"].dimensions)


def test_a_text_over_the_limit_is_refused_by_name_and_the_rest_embedded(server, model):
    long = "word " * 60
    with pytest.warns(UserWarning, match="refused by the model's endpoint"):
        made = model.embed([*TEXTS, long])
    assert made.ids == ["0", "1", "2"]
    assert made.report.refused_ids == ["3"]
    assert any("cannot exceed 40 - received 60" in note for note in made.report.notes)
    # With a limit it is cut here, and reported.
    short = veclab.load("cohere:embed-v4.0", base_url=server.url, max_tokens=50)
    cut = short.embed([*TEXTS, long])
    assert cut.report.truncated_ids == ["3"]
    assert max(len(text.encode()) for text in server.bodies[-1]["texts"]) <= 100


def test_a_deny_listed_token_is_the_text_s_own_fault(server, model):
    with pytest.warns(UserWarning, match="refused"):
        made = model.embed([*TEXTS, "something forbidden"])
    assert made.report.refused_ids == ["3"]


@pytest.mark.parametrize("status", [408, 409, 429, 499, 500, 503, 504])
def test_it_asks_again(server, model, status):
    assert status in (*SPECIFICATION["errors"], 408, 409)
    server.faults = [(status, "Please wait and try again later", SOON)] * 2
    assert len(model.embed(TEXTS)) == 3


def test_it_waits_as_asked(server, model):
    for headers in ({"retry-after": "0"}, {"x-ratelimit-reset": "1"}, {"x-ratelimit-reset": "no"}):
        server.faults = [(429, "You are past the per minute request limit", headers)]
        assert len(model.embed([f"text {headers}"])) == 1


@pytest.mark.parametrize("fault", ["half", "drop", "html"])
def test_an_answer_that_cannot_be_used_is_asked_again(server, model, fault):
    model.embed(TEXTS[:1])
    server.faults = [fault]
    made = model.embed(["another one"])
    assert np.allclose(made.array, hash_vectors(["search_document|another one"], 1536), atol=1e-6)


def test_an_answer_that_never_comes_is_given_up_and_asked_again(server, model, monkeypatch):
    let_hanging_time_out(server, monkeypatch)
    server.faults = ["hang"]
    made = model.embed(TEXTS)
    assert len(made) == 3
    assert made.report.unanswered == 1


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "invalid api token"),
        (402, "Please add or update your payment method"),
        (403, "not allowed"),
        (404, "model 'xyz' not found"),
        (501, "not implemented"),
        (429, "You are using a Trial key, which is limited to 1000 API calls / month."),
    ],
)
def test_what_waiting_does_not_help_ends_at_once(server, model, status, message):
    server.faults = [(status, message, {})] * 9
    with pytest.raises(ProviderError, match=str(status)) as refused:
        model.embed(TEXTS)
    assert message[:20] in str(refused.value)
    assert len(server.bodies) == 1
    assert KEY not in str(refused.value)


def test_what_cohere_warns_of_is_in_the_report(server, model):
    server.warnings = ["this model is deprecated"]
    assert "Cohere says: this model is deprecated" in model.embed(TEXTS).report.notes
    server.warnings = []
    assert "Cohere says: this model is deprecated" not in model.embed(["new"]).report.notes


def test_the_key_is_cohere_s_and_nobody_else_s(server, model, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-secret")
    model.embed(TEXTS)
    said = " ".join(server.headers.values())
    assert server.headers["authorization"] == f"Bearer {KEY}"
    assert "secret" not in said
    assert server.headers["user-agent"] == "veclab"
    monkeypatch.delenv("CO_API_KEY")
    monkeypatch.setenv("COHERE_API_KEY", KEY)
    assert len(veclab.load("cohere:embed-v4.0", base_url=server.url, cache=False).embed("cat")) == 1
    assert KEY not in repr(model.provider) + str(model.embed(TEXTS).report)


def test_without_a_key_it_says_where_it_looked(server, monkeypatch):
    monkeypatch.delenv("CO_API_KEY")
    with pytest.raises(ModelUnavailable, match="CO_API_KEY or COHERE_API_KEY"):
        veclab.load("cohere:embed-v4.0").embed("cat")
    monkeypatch.setenv("CO_API_URL", server.url)
    with pytest.raises(ProviderError, match="having no key"):
        veclab.load("cohere:embed-v4.0").embed("cat")


def test_purposes_and_options_that_do_not_exist(server):
    with pytest.raises(InputError, match="classification or clustering"):
        veclab.load("cohere:embed-v4.0/search_query")
    with pytest.raises(InputError, match="device does not go with it"):
        veclab.load("cohere:embed-v4.0", device="cuda")


def test_a_file_does_not_send_the_key_anywhere(server, model, monkeypatch):
    space = model.embed(TEXTS).space
    assert veclab.load_for(space).embed(TEXTS).report.cached == 3
    elsewhere = type(space).from_dict(space.to_dict() | {"endpoint": "https://evil.example"})
    with pytest.raises(ModelUnavailable, match="CO_API_URL"):
        veclab.load_for(elsewhere)


def test_the_provider_passes_the_common_checks(server):
    check_provider(CohereModel("embed-english-light-v3.0", base_url=server.url, max_tokens=30))


def test_cohere_s_own_client_gets_the_same_of_this_server(server, model):
    cohere = pytest.importorskip("cohere")
    client = cohere.ClientV2(api_key=KEY, base_url=server.url)
    answer = client.embed(
        model="embed-v4.0", texts=TEXTS, input_type="search_query", embedding_types=["float"]
    )
    assert np.allclose(answer.embeddings.float_, model.embed(TEXTS, role="query").array, atol=1e-6)
