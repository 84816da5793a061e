"""The adversary of benchmarks/citations.py gets nothing past the check, and honest answers do."""

from benchmarks.citations import LIES, run


def test_no_wrong_citation_is_accepted_in_200_answers():
    result = run(200)
    assert result["which"] == []
    assert all(sum(counts.values()) == 200 / len(LIES) for counts in result["outcomes"].values())
    assert result["honest outcomes"] == {"supported": 200}
