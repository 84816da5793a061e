"""The CPU engine: models converted to OpenVINO, int8 included, and kept."""
