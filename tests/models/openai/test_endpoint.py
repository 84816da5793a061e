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


ENVIRONMENT, FILE, NAMED = "http://environment/v1", "http://file/v1", "http://named/v1"
OWN = "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("environment", "file", "base_url", "url", "key"),
    [
        # One place has both.
        (("k1", ENVIRONMENT), (None, None), None, ENVIRONMENT, "k1"),
        ((None, None), ("k2", FILE), None, FILE, "k2"),
        # A key alone goes to OpenAI.
        (("k1", None), (None, None), None, OWN, "k1"),
        ((None, None), ("k2", None), None, OWN, "k2"),
        # Two places are never mixed.
        ((None, ENVIRONMENT), ("k2", FILE), None, FILE, "k2"),
        ((None, ENVIRONMENT), ("k2", None), None, ENVIRONMENT, None),
        (("k1", None), (None, FILE), None, OWN, "k1"),
        (("k1", None), ("k2", FILE), None, OWN, "k1"),
        (("k1", ENVIRONMENT), ("k2", FILE), None, ENVIRONMENT, "k1"),
        # A server that wants no key.
        ((None, ENVIRONMENT), (None, FILE), None, ENVIRONMENT, None),
        ((None, None), (None, FILE), None, FILE, None),
        # What the user names gets the key that there is.
        (("k1", ENVIRONMENT), ("k2", FILE), NAMED, NAMED, "k1"),
        ((None, ENVIRONMENT), ("k2", FILE), NAMED, NAMED, "k2"),
        ((None, ENVIRONMENT), ("k2", None), ENVIRONMENT, ENVIRONMENT, "k2"),
    ],
)
def test_a_key_goes_only_to_the_url_of_its_own_place_or_to_the_one_named(
    environment, file, base_url, url, key, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for variable, value in zip(("OPENAI_API_KEY", "OPENAI_BASE_URL"), environment, strict=True):
        monkeypatch.delenv(variable, raising=False)
        if value is not None:
            monkeypatch.setenv(variable, value)
    names = ("OPENAI_API_KEY", "OPENAI_BASE_URL")
    lines = [f"{name}={value}\n" for name, value in zip(names, file, strict=True) if value]
    (tmp_path / ".env").write_text("".join(lines))
    access = find_access(base_url)
    assert (access.url, access._key) == (url, key)
    # A setting that is passed over is named.
    passed_over = url == FILE and environment[1] is not None
    assert ("OPENAI_BASE_URL of the environment is not used" in access.note) == passed_over
    if key is None and file[0] is not None:
        assert f"--base-url {ENVIRONMENT}" in access.looked
