"""Which variant of an exercise a student gets: it follows from the course and the student, and can be pinned."""

from __future__ import annotations

from hashlib import sha256

from .exercise import Exercise


def seed_of(course: str, student: str) -> int:
    """The first four bytes of sha256("course:student")."""
    return int.from_bytes(sha256(f"{course}:{student}".encode()).digest()[:4], "big")


def variant_of(exercise: Exercise, key: str, seed: int) -> str:
    """The name of the variant that `seed` draws for the exercise `key`."""
    names = list(exercise.variants)
    drawn = int.from_bytes(sha256(f"{seed}:{key}".encode()).digest()[:4], "big")
    return names[drawn % len(names)]
