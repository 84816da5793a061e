"""Names that must be known before anything heavy is imported."""

DEFAULT_MODEL = "all-MiniLM-L6-v2"
# What names of models at OpenAI-compatible endpoints begin with.
OPENAI = "openai:"
WORD_MODEL = "glove-6b-50d"
