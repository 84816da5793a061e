"""veclab in other tools' terms: see docs/plug-in.md."""
