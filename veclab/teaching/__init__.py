"""What the course needs beside the library: a server to practice on, checks, pictures to turn.

from veclab.teaching import TeachingServer, check
"""

from veclab.teaching.exercises import check
from veclab.teaching.server import TeachingServer
from veclab.teaching.turn_vectors import turning_vectors

__all__ = ["TeachingServer", "check", "turning_vectors"]
