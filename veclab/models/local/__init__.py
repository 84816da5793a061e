"""Models that run on this machine: Sentence Transformers folders, on torch or OpenVINO."""
