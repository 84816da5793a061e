"""Which model is best on your data: tasks, metrics, intervals, timings, a table and a page."""
