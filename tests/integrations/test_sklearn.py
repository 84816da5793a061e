"""scikit-learn's own machinery around a veclab model."""

import pickle

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn", reason="needs veclab[sklearn]")

from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.fakes import FakeProvider
from veclab import EmptyText, InputError, SpaceMismatch
from veclab.integrations.sklearn import VeclabTransformer
from veclab.model import Model

TEXTS = [f"{animal} number {n}" for n in range(12) for animal in ("cat", "dog")]
LABELS = ["cat", "dog"] * 12


class Animals(FakeProvider):
    """Reads the first word only, so that there is something to learn."""

    def vector(self, text, role=None):
        return super().vector(text.split()[0], role)


def test_parameters_are_read_set_and_cloned(model):
    transformer = VeclabTransformer(model, on_long="split")
    assert transformer.get_params() == {
        "model": model,
        "role": None,
        "on_long": "split",
        "on_empty": "error",
        "loading": None,
    }
    copy = clone(transformer.fit(TEXTS))
    assert copy.model is model
    assert copy.on_long == "split"
    with pytest.raises(NotFittedError):
        copy.transform(TEXTS)


def test_rows_are_the_model_s_vectors(model, provider):
    transformer = VeclabTransformer(model)
    made = transformer.fit_transform(TEXTS)
    assert np.array_equal(made, model.embed(TEXTS).array)
    assert len(provider.embedded) == len(TEXTS)
    assert transformer.report_.texts == len(TEXTS)
    assert list(transformer.get_feature_names_out())[:2] == ["embedding0", "embedding1"]
    assert np.array_equal(transformer.transform(np.array(TEXTS, object)), made)
    assert np.array_equal(transformer.transform(pd.Series(TEXTS)), made)


def test_a_pipeline_learns():
    pipeline = make_pipeline(VeclabTransformer(Model(Animals(), None)), LogisticRegression())
    assert pipeline.fit(TEXTS, LABELS).score(["dog here", "cat there"], ["dog", "cat"]) == 1


def test_a_column_transformer_names_its_features(model):
    frame = pd.DataFrame({"title": TEXTS, "body": TEXTS[::-1], "price": range(24)})
    both = VeclabTransformer(model)
    columns = ColumnTransformer(
        [("text", both, ["title", "body"]), ("scaled", StandardScaler(), ["price"])]
    ).set_output(transform="pandas")
    made = columns.fit_transform(frame)
    assert list(made)[:2] == ["text__title_0", "text__title_1"]
    assert list(made)[8] == "text__body_0"
    assert made.shape == (24, 17)
    one = ColumnTransformer([("text", VeclabTransformer(model), "body")]).fit(frame)
    assert one.get_feature_names_out()[0] == "text__body_0"
    assert np.array_equal(one.transform(frame), made.iloc[:, 8:16].to_numpy(np.float32))


def test_a_grid_searches_over_models_and_embeds_each_text_once(cache):
    blind, seeing = FakeProvider(name="blind"), Animals(name="seeing")
    models = [Model(provider, cache) for provider in (blind, seeing)]
    pipeline = make_pipeline(VeclabTransformer(models[0]), LogisticRegression())
    search = GridSearchCV(
        pipeline, {"veclabtransformer__model": models, "logisticregression__C": [0.1, 1]}, cv=3
    ).fit(TEXTS, LABELS)
    assert search.best_params_["veclabtransformer__model"] is models[1]
    assert search.best_score_ == 1
    assert len(blind.embedded) == len(seeing.embedded) == len(set(TEXTS))


def test_a_grid_runs_in_other_processes():
    pipeline = make_pipeline(VeclabTransformer(Model(Animals(), None)), LogisticRegression())
    grid = {"logisticregression__C": [0.1, 1]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise").fit(TEXTS, LABELS)
    assert search.best_score_ == 1


def test_a_missing_text_is_an_error_or_nan(model):
    texts = ["cat", None, " ", "dog"]
    with pytest.raises(EmptyText):
        VeclabTransformer(model).fit_transform(texts)
    with pytest.warns(UserWarning, match="left out"):
        made = VeclabTransformer(model, on_empty="nan").fit_transform(texts)
    assert np.array_equal(np.isnan(made).all(axis=1), [False, True, True, False])
    assert np.array_equal(made[3], model.embed("dog").array[0])


def test_what_it_was_fitted_on_is_held(model):
    fitted = VeclabTransformer(model).fit(pd.DataFrame({"title": TEXTS}))
    with pytest.raises(InputError, match="fitted on"):
        fitted.transform(pd.DataFrame({"body": TEXTS}))
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.transform(TEXTS), fitted.transform(TEXTS))
    again.model = Model(FakeProvider(name="another"), None)
    with pytest.raises(SpaceMismatch):
        again.transform(TEXTS)
    with pytest.raises(InputError, match="one string"):
        VeclabTransformer(model).fit("cat")
