"""Mutation tests of the modules that decide: change one operator or constant at a time, and see a test fail.

A mutant that survives is a decision no test looks at. ``python -m tests.mutants`` prints the survivors with their
lines; :data:`JUDGED` holds those that were read and found equal to the original in effect.
"""

from __future__ import annotations

import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUITE = ROOT / "actions"
# module: the tests that look at it
DECIDE = {
    "gitops_ml/adopt/infer.py": ["tests/suite/test_adopt_infer.py"],
    "gitops_ml/adopt/kinds.py": ["tests/suite/test_adopt_infer.py"],
    "gitops_ml/adopt/warn.py": ["tests/suite/test_adopt_warn.py"],
    "gitops_ml/rows/alone.py": ["tests/suite/test_rows_alone.py"],
    "gitops_ml/contracts/schema.py": ["tests/suite/test_contracts_schema.py"],
    "gitops_ml/gate/decide.py": ["tests/suite/test_gate_judge.py", "tests/suite/test_gate_secondary.py"],
    "gitops_ml/gate/judge.py": ["tests/suite/test_gate_judge.py", "tests/suite/test_override.py"],
    "gitops_ml/gate/checks.py": ["tests/suite/test_gate_judge.py", "tests/suite/test_gate_secondary.py"],
}
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
# Read and judged: "module:line text" -> why no test can tell it from the original.
_FROZEN = "frozen keeps nobody from reading; no decision rests on it"
_SAME_LENGTH = "both lists come from the same array, so they have one length"
JUDGED: dict[str, str] = {
    'gitops_ml/contracts/schema.py:columns: dict[str, Column] = Field(min_length=1, description="By name, in the order of the file")': (
        "one column alone is refused anyway: a target and a feature are needed"
    ),
    "gitops_ml/gate/checks.py:if name in own and said is not None and abs(own[name] - said) > 1e-5 * max(1.0, abs(said)):": (
        "a note in a reason; a difference of exactly the tolerance, or how it grows beyond 1, decides nothing"
    ),
    "gitops_ml/gate/decide.py:@dataclass(frozen=True)": _FROZEN,
    "gitops_ml/gate/decide.py:gap = estimate + margin if estimate > -margin else -estimate if estimate < -margin else 0.0": (
        "at the margin itself the gap is 0 by either branch"
    ),
    "gitops_ml/gate/decide.py:width = estimate - low if estimate > -margin else high - estimate": (
        "at the margin itself the gap is 0, and nobody asks for the width"
    ),
    "gitops_ml/gate/decide.py:if gap <= 0 or width <= 0:": (
        "an interval that ends at its estimate is decided before anybody asks for rows"
    ),
    "gitops_ml/rows/alone.py:self._target = np.asarray(pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False))": (
        "rows without a target are gone, so no copy is needed"
    ),
    "gitops_ml/rows/alone.py:order = np.random.default_rng(0).permutation(len(known))": "any seed serves",
    "gitops_ml/rows/alone.py:if worst < self._limit:": "differs for an AUC of exactly the limit alone",
    "gitops_ml/adopt/kinds.py:@dataclass(frozen=True)": _FROZEN,
    "gitops_ml/adopt/kinds.py:counting=whole and not nulls and rows > 1 and known[0].as_py() in (0, 1)": (
        "one row has no steps to check, and Arrow's all of nothing is null"
    ),
    "gitops_ml/adopt/kinds.py:mean_length: float = 0.0": "only ever compared with 12, and with mean_words at 0 beside it",
    "gitops_ml/adopt/kinds.py:numbers = pc.cast(array, pa.float64(), safe=False)": (
        "Arrow's check looks at integers and times; a float or decimal becomes a float64 either way"
    ),
    'gitops_ml/adopt/kinds.py:pairs = tuple(sorted(zip(values.to_pylist(), counted.field("counts").to_pylist(), strict=True)))': _SAME_LENGTH,
}


def sites(tree: ast.Module) -> Iterator[tuple[int, int, str]]:
    """(index of the node in ast.walk, which part of it, what would change), outside docstrings and annotations."""
    for index, node in enumerate(ast.walk(tree)):
        if isinstance(node, ast.Compare):
            for part, op in enumerate(node.ops):
                if type(op) in SWAPS:
                    yield index, part, f"{type(op).__name__} -> {SWAPS[type(op)].__name__}"
        elif isinstance(node, ast.BoolOp | ast.BinOp) and type(node.op) in SWAPS:
            yield index, 0, f"{type(node.op).__name__} -> {SWAPS[type(node.op)].__name__}"
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield index, 0, "not x -> x"
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
            yield index, 0, f"{node.value} -> {changed(node.value)}"


def changed(value: int | float | bool) -> int | float | bool:
    """Another constant of the same kind."""
    return (
        (not value) if isinstance(value, bool) else value + 1 if isinstance(value, int) else value * 2 + 0.1
    )


def mutate(tree: ast.Module, index: int, part: int) -> tuple[str, int]:
    """The source with one change, and the line it stands on."""
    mutant = copy.deepcopy(tree)
    node = list(ast.walk(mutant))[index]
    if isinstance(node, ast.Compare):
        node.ops[part] = SWAPS[type(node.ops[part])]()  # type: ignore[assignment]
    elif isinstance(node, ast.BoolOp | ast.BinOp):
        node.op = SWAPS[type(node.op)]()  # type: ignore[assignment]
    elif isinstance(node, ast.UnaryOp):
        node.op = ast.UAdd()  # `not x` becomes `+x`: the same truth as x, for booleans and numbers
    elif isinstance(node, ast.Constant):
        node.value = changed(node.value)  # type: ignore[arg-type]
    return ast.unparse(mutant), getattr(node, "lineno", 0)


def survives(module: str, source: str, tests: list[str]) -> bool:
    """Whether the tests pass on a copy of the suite with that module replaced."""
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(SUITE, Path(scratch, "actions"), ignore=shutil.ignore_patterns("__pycache__"))
        Path(scratch, "actions", module).write_text(source, encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "--no-header",
            "-p",
            "no:cacheprovider",
            *tests,
        ]
        environment = os.environ | {
            "PYTHONPATH": str(Path(scratch, "actions")),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        try:
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=120)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def main() -> None:
    """Try every mutant, or a seeded sample: ``python -m tests.mutants [AT_MOST_PER_MODULE]``."""
    most = int(sys.argv[1]) if len(sys.argv) > 1 else None
    unjudged = total = 0
    for module, tests in DECIDE.items():
        text = (SUITE / module).read_text(encoding="utf-8")
        tree, lines = ast.parse(text), text.splitlines()
        if not survives(module, ast.unparse(tree), tests):
            sys.exit(f"error: {tests} fail on {module} as it is.")
        chosen = list(sites(tree))
        if most is not None and len(chosen) > most:
            chosen = random.Random(0).sample(chosen, most)
        mutants = [(*mutate(tree, index, part), what) for index, part, what in chosen]
        with ThreadPoolExecutor(2) as pool:
            alive = list(pool.map(survives, repeat(module), [mutant[0] for mutant in mutants], repeat(tests)))
        survivors = [(line, what) for (_, line, what), lives in zip(mutants, alive, strict=True) if lives]
        print(f"{module}: {len(mutants)} mutants, {len(survivors)} survive", flush=True)
        for line, what in sorted(survivors):
            why = JUDGED.get(f"{module}:{lines[line - 1].strip()}")
            print(
                f"  {line}: {lines[line - 1].strip()}   [{what}]{f'  judged: {why}' if why else ''}",
                flush=True,
            )
            unjudged += why is None
        total += len(mutants)
    print(f"{total} mutants, {unjudged} survivors not judged")


if __name__ == "__main__":
    main()
