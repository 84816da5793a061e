"""Names in a Parquet file of vectors: its five columns, and what its metadata is kept under."""

OWN_COLUMNS = ("id", "text", "embedding", "tokens", "truncated")
SPACE_KEY = b"veclab.space"
RECIPE_KEY = b"veclab.recipe"
REPORT_KEY = b"veclab.report"
