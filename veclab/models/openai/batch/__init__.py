"""OpenAI's Batch API: large jobs at half the price, answered within 24 hours.

folder   the job's folder on disk: what was packed, sent, answered; written before each step
pack     texts into requests, requests into files within the limits
remote   files and batches at the other end
submit   pack, upload, create; goes on where it was
fetch    status, and answers into the cache
"""
