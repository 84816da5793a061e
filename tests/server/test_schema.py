"""Whatever the server's own schema allows, and what it does not: no 5xx, nothing unannounced."""

import hypothesis
import msgspec
import pytest
import schemathesis
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi

from tests.rag.conftest import store_path, word_model  # noqa: F401
from tests.server.conftest import ThreadedServer
from veclab.model import Model
from veclab.server.documents import Documents
from veclab.server.schema import TABLE
from veclab.store.store import Store

CHECKS = [
    checks.not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_schema_conformance,
    openapi.negative_data_rejection,
    openapi.unsupported_method,
]


@pytest.fixture(scope="module")
def whole(store_path, word_model):  # noqa: F811
    """A server with a store, for all endpoints; its schema was asked of itself."""
    server = ThreadedServer({"words": Model(word_model.provider)})
    server.serving.documents = Documents(Store.open(store_path, word_model), None)
    yield server
    server.close()


@pytest.fixture(scope="module")
def described(whole):
    return schemathesis.openapi.from_url(whole.url + "/openapi.json")


ENDPOINTS = [*((path, method) for path, method, *_ in TABLE), ("/v2/rerank", "post")]


# What is wrong on purpose goes into bodies.
CASES = [(*one, GenerationMode.POSITIVE) for one in ENDPOINTS]
CASES += [(*one, GenerationMode.NEGATIVE) for one in ENDPOINTS if one[1] == "post"]


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_every_endpoint(described, path, method, mode):
    operation = described[path][method.upper()]

    @hypothesis.given(operation.as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=40, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    def check(case):
        case.call_and_validate(checks=CHECKS)

    check()


def test_requests_are_described_by_the_types_that_decode_them(whole):
    from veclab.server.bodies import EmbeddingRequest

    described = whole.get("/openapi.json").json()
    shown = described["components"]["schemas"]["EmbeddingRequest"]
    assert set(shown["properties"]) == {f.name for f in msgspec.structs.fields(EmbeddingRequest)}
    assert shown["additionalProperties"] is False
    assert shown["properties"]["model"] == {"enum": ["words"]}
    assert described["openapi"] == "3.1.0"
