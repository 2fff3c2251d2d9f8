"""The whole bank with the numbers of one seed: `python tests/course/bank/page.py` writes docs/teach/questions.md."""

from pathlib import Path

from nanochat.course.bank.sheet import bank_page
from nanochat.storage.atomic import write_text

PAGE = Path(__file__).parents[3] / "docs" / "teach" / "questions.md"
SEED = 1

if __name__ == "__main__":
    write_text(PAGE, bank_page(SEED))
