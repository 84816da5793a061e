"""Names that must be known before anything heavy is imported."""

DEFAULT_MODEL = "all-MiniLM-L6-v2"
# What names of models at OpenAI-compatible endpoints begin with.
OPENAI = "openai:"
COHERE = "cohere:"
# Providers whose models run at an endpoint, as a Space names them.
ENDPOINTS = (OPENAI.rstrip(":"), COHERE.rstrip(":"))
WORD_MODEL = "glove-6b-50d"
