"""Draw what vectors and results look like."""
