"""The solver that Halmos calls: two at once on one query, and the first answer counts.

Yices decides bits and masks at once but drowns in products of unknowns; cvc5, told to read bit
vectors as integers, decides the products. Both come from the lock, none is downloaded.
Run by the audit tools' own Python, as `python solver.py query.smt2`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = Path(sys.executable).parent
YICES = [str(BIN / "yices-smt2"), "--smt2-model-format", "--bvconst-in-decimal"]
CVC5 = [sys.executable, __file__, "--cvc5"]
PAUSE = 0.01  # seconds between looks at the two


def cvc5(query: str) -> None:
    """Answers as an SMT-LIB solver does, with the queries' bit vectors read as integers."""
    import cvc5  # noqa: PLC0415 - the other half of this program does without it

    solver = cvc5.Solver()
    solver.setOption("solve-bv-as-int", "sum")
    solver.setOption("produce-models", "true")
    parser = cvc5.InputParser(solver)
    parser.setFileInput(cvc5.InputLanguage.SMT_LIB_2_6, query)
    symbols = parser.getSymbolManager()
    while not (command := parser.nextCommand()).isNull():
        answer = command.invoke(solver, symbols)
        print(answer, end="", flush=True)
        if answer.strip() in {"unsat", "unknown"}:
            return  # no model to ask for


def first_answer(query: str) -> str:
    """What the first of the two says that decides the query, or "unknown"."""
    with tempfile.TemporaryFile() as yices_says, tempfile.TemporaryFile() as cvc5_says:
        running = []
        for command, says in ((YICES, yices_says), (CVC5, cvc5_says)):
            process = subprocess.Popen([*command, query], stdout=says, stderr=subprocess.DEVNULL)
            running.append((process, says))
        try:
            while running:
                for process, says in list(running):
                    if process.poll() is None:
                        continue
                    running.remove((process, says))
                    says.seek(0)
                    answer = says.read().decode()
                    if answer.split("\n", 1)[0].strip() in {"sat", "unsat"}:
                        return answer
                time.sleep(PAUSE)
            return "unknown\n"
        finally:
            for process, _ in running:
                process.kill()
                process.wait()


if __name__ == "__main__":
    if sys.argv[1] == "--cvc5":
        cvc5(sys.argv[2])
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # takes the two along
        sys.stdout.write(first_answer(sys.argv[1]))
