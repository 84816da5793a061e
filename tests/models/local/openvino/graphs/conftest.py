"""What the tests of graphs share: a built graph beside the model that it was built from."""

from __future__ import annotations

import numpy as np
import pytest

TEXTS = ["a", "the cat sits on the mat", "<pad> in the middle", "naïve café", "rest " * 40, "zz"]


def built_and_original(path):
    """Vectors of TEXTS by the graph (all padded together, then each alone) and by the original."""
    from sentence_transformers import SentenceTransformer

    from veclab.models.local.folder import read_folder
    from veclab.models.local.openvino.engine import Engine
    from veclab.models.local.openvino.graphs.build import build
    from veclab.models.local.openvino.graphs.tokenizer import read_tokenizer

    folder = read_folder(path, name=path.name)
    tokenizer = read_tokenizer(folder)
    tokenizer.enable_truncation(folder.max_tokens)
    rows = [np.array(one.ids, np.int32) for one in tokenizer.encode_batch(TEXTS)]
    engine = Engine(build(folder).model, pad_id=1, arithmetic="f32", threads=1)
    together, alone = engine.run(rows), np.concatenate([engine.run([row]) for row in rows])
    model = SentenceTransformer(
        str(path), device="cpu", model_kwargs={"dtype": "float32"}, local_files_only=True
    )
    expected = model.encode(TEXTS, show_progress_bar=False)
    return together, alone, expected


@pytest.fixture
def equal(tmp_path):
    """A function that shows that the graph of a model computes what the model does."""
    import torch

    from tests.tiny import make_any

    def check(model, **options):
        with torch.no_grad():  # far from their first values, where many mistakes do not show
            generator = torch.Generator().manual_seed(0)
            for weight in model.parameters():
                weight += 0.3 * torch.randn(weight.shape, generator=generator).to(weight.dtype)
        path = make_any(tmp_path / "m", model, **options)
        together, alone, expected = built_and_original(path)
        size = np.abs(expected).max()
        assert np.isfinite(size)
        np.testing.assert_allclose(together / size, expected / size, atol=2e-5)
        np.testing.assert_allclose(alone / size, expected / size, atol=2e-5)
        # The texts are told apart, so that equality says something.
        assert np.std(expected, axis=0).max() > 1e-3 * size
        return path

    return check
