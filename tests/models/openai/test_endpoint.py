"""Endpoints have one spelling, and what they told is remembered."""

import pytest

from veclab import InputError
from veclab.models.openai.endpoint import Facts, find_access, is_known, normal_url, recall, remember


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("HTTPS://API.Example.org:443/v1/", "https://api.example.org/v1"),
        ("http://localhost:80", "http://localhost"),
        (" http://127.0.0.1:8000/v1 ", "http://127.0.0.1:8000/v1"),
        ("http://[::1]:9/v1", "http://[::1]:9/v1"),
        ("https://example.org/Case/Stays", "https://example.org/Case/Stays"),
    ],
)
def test_urls_have_one_spelling(given, normal):
    assert normal_url(given) == normal
    assert normal_url(normal) == normal


@pytest.mark.parametrize(
    "url", ["", "example.org", "ftp://x/v1", "http://", "http://x:port/v1", "file:///etc/passwd"]
)
def test_what_is_no_url_is_refused(url):
    with pytest.raises(InputError, match="base URL"):
        normal_url(url)


def test_what_an_endpoint_told_is_remembered_by_model_and_dimensions(home):
    remember("http://x/v1", "m", None, dimensions=5)
    remember("http://x/v1", "m", None, requests_per_minute=60.0)
    remember("http://x/v1", "m", 3, dimensions=3)
    facts = recall("http://x/v1", "m", None)
    assert (facts.dimensions, facts.requests_per_minute) == (5, 60.0)
    assert recall("http://x/v1", "m", 3).dimensions == 3
    assert recall("http://x/v1", "other", None) == Facts()
    assert is_known("http://x/v1")
    assert not is_known("http://x")


def test_a_memory_that_cannot_be_read_or_written_is_no_trouble(home):
    home.mkdir()
    for damaged in ("", "[]", "{", '{"http://x/v1 m": {"dimensions": "five"}}'):
        (home / "endpoints.json").write_text(damaged)
        assert recall("http://x/v1", "m", None) == Facts()
    (home / "endpoints.json").unlink()
    (home / "endpoints.json").mkdir()
    remember("http://x/v1", "m", None, dimensions=5)
    assert recall("http://x/v1", "m", None) == Facts()


def test_the_key_is_not_in_what_is_printed(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    access = find_access()
    assert access.key() == "sk-very-secret"
    assert "secret" not in repr(access)
    assert access.hide("wrong key sk-very-secret!") == "wrong key [key]!"
