"""Addresses of PostgreSQL: what is shown of them, and what never is."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veclab.errors import InputError
from veclab.vectorfiles.others.postgres_address import PostgresAddress


@pytest.mark.parametrize(
    ("address", "public", "name"),
    [
        ("postgresql://me:secret@host:1/base", "postgresql://me@host:1/base", ""),
        ("postgres://me:secret@host/base#docs", "postgresql://me@host/base", "docs"),
        ("postgresql:///b?host=/run/pg&user=me#d", "postgresql:///b?host=/run/pg&user=me", "d"),
        ("postgresql://host/b?password=secret&user=me", "postgresql://host/b?user=me", ""),
        ("postgresql://me:@/b?sslpassword=secret&sslmode=require",
         "postgresql://me@/b?sslmode=require", ""),
    ],
)  # fmt: skip
def test_what_is_shown_connects_again_once_the_password_is_known(address, public, name):
    found = PostgresAddress.of(address)
    assert (found.public, found.name) == (public, name)
    assert found.to_connect == address.partition("#")[0]
    assert "secret" not in repr(found)


@pytest.mark.parametrize("sign", ["@", "#", "/", "?", "["])
def test_a_sign_that_ends_a_password_is_told_without_the_rest(sign):
    with pytest.raises(InputError, match="in a password write %40 for @") as caught:
        PostgresAddress.of(f"postgresql://me:first{sign}second@host/base")
    assert "first" not in str(caught.value)
    assert "second" not in str(caught.value)


@given(st.text(min_size=4))
def test_no_message_shows_a_password(password):
    found = PostgresAddress.of(
        f"postgresql://me:{quote(password.encode(errors='replace'), safe='')}@host/base"
    )
    for secret in found.secrets:
        assert secret not in found.hide(f"no user with password {secret}!").replace("...", "")
