"""Models: finding, describing and running what turns texts into vectors."""
