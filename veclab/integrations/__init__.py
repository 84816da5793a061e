"""veclab in other tools' terms."""
