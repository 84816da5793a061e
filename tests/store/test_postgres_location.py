"""What can be wrong with a PostgreSQL: it is down, lacks pgvector, or the user lacks rights."""

from __future__ import annotations

import uuid

import pytest

from veclab.errors import StoreError
from veclab.store.store import Store


@pytest.fixture
def database(postgres):
    """A connection that may do all."""
    psycopg = pytest.importorskip("psycopg", reason="needs veclab[postgres]")
    with psycopg.connect(postgres, autocommit=True) as connection:
        yield connection


@pytest.fixture
def schema(database):
    """A name for a store or a role, whose things are gone afterwards."""
    name = "t" + uuid.uuid4().hex
    yield name
    database.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")


@pytest.fixture
def guest(database, postgres):
    """The address for a user who may connect and no more, and the user's name."""
    name = "g" + uuid.uuid4().hex
    database.execute(f"CREATE ROLE {name} LOGIN")
    yield postgres.replace("postgres:@", f"{name}:@"), name
    database.execute(f"DROP OWNED BY {name}")
    database.execute(f"DROP ROLE {name}")


def test_a_server_that_is_down_is_told_without_the_password(tmp_path, model):
    pytest.importorskip("psycopg", reason="needs veclab[postgres]")
    address = f"postgresql://me:secret@/base?host={tmp_path}"
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        Store.open(address, model, create=True)
    assert "secret" not in str(caught.value)


def test_a_server_without_the_extension_says_where_it_comes_from(database, postgres, schema, model):
    # The catalog as a server without pgvector has it: this schema is looked at first.
    database.execute(f"CREATE SCHEMA {schema}")
    database.execute(
        f"CREATE VIEW {schema}.pg_available_extensions AS "
        "SELECT * FROM pg_catalog.pg_available_extensions WHERE name <> 'vector'"
    )
    path = f"options=-csearch_path%3D{schema},pg_catalog"
    joined = f"{postgres}{'&' if '?' in postgres else '?'}{path}#{schema}b"
    with (
        Store.open(joined, model, create=True) as store,
        pytest.raises(StoreError, match=r"no pgvector.*github.com/pgvector"),
    ):
        store.add(["x"], ids=["x"])


def test_a_user_without_rights_is_told_which(guest, schema, model):
    address, _ = guest
    with (
        Store.open(f"{address}#{schema}", model, create=True) as store,
        pytest.raises(StoreError, match=f"rights on the schema {schema}"),
    ):
        store.add(["x"], ids=["x"])


def test_who_may_read_may_search_and_no_more(database, postgres, guest, schema, model):
    address, name = guest
    with Store.open(f"{postgres}#{schema}", model, create=True) as store:
        store.add(["the cat sits", "a dog runs"], ids=["cat", "dog"])
    database.execute(f"GRANT USAGE ON SCHEMA {schema} TO {name}")
    database.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {name}")
    with Store.open(f"{address}#{schema}", model) as reader:
        assert reader.search("dog")[0].passage.id == "dog"
        with pytest.raises(StoreError, match="this user may not do that"):
            reader.add(["x"], ids=["x"])
        assert reader.count() == 2
