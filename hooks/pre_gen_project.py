"""Check every answer before a project is written. A wrong one ends here, with the fix, and nothing is left behind."""

import csv
import json
import keyword
import os
import re
import sys
import unicodedata
from pathlib import Path

ANSWERS = json.loads(r"""<< cookiecutter | tojson >>""")

# Names that `import` would find elsewhere first: the standard library, and what a project uses.
TAKEN = set(getattr(sys, "stdlib_module_names", ())) | {
    "alembic", "bentoml", "click", "dask", "distributed", "dvc", "evidently", "gitops_ml", "joblib", "matplotlib",
    "mlflow", "numpy", "pandas", "pandera", "pip", "pyarrow", "pydantic", "pytest", "ruamel", "ruff", "scipy",
    "setuptools", "sklearn", "skops", "sqlalchemy", "starlette", "tests", "uv", "yaml",
}  # fmt: skip
STORAGE = re.compile(
    r"(s3|gs|azure|ssh)://[A-Za-z0-9._~@:/-]*[A-Za-z0-9][A-Za-z0-9._~@:/-]*|/[^\x00-\x1f\"'#;%]*"
)
TRACKING = re.compile(r"https?://[^\s\"'<>\\]+")
ONE_LINE = (
    "project_name",
    "author_name",
    "author_email",
    "description",
    "table",
    "target",
    "storage",
    "mlflow_tracking_uri",
)
LONGEST = 200


def table_path(answer: str) -> Path | None:
    """Where the user's table is: as typed, seen from the shell that started cookiecutter. None if nowhere."""
    typed = Path(answer).expanduser()
    folders = [Path(os.environ.get("PWD", ".")), Path(ANSWERS.get("_output_dir") or "..")]
    return next((folder / typed for folder in folders if (folder / typed).is_file()), None)


def table_problem(answer: str) -> str | None:
    """What is wrong with the answer ``table``, or None."""
    if not answer:
        return None
    path = table_path(answer)
    if path is None:
        return f"table: there is no file {answer!r}. Give the path of a CSV or Parquet file, best from / on."
    if path.suffix.lower() not in {".csv", ".tsv", ".parquet"}:
        return f"table: {path.name!r} is neither .csv, .tsv nor .parquet. Save the table as one of these."
    if not os.access(path, os.R_OK):
        return f"table: {answer!r} may not be read by you. Fix it: chmod u+r {path.name!r}"
    if path.stat().st_size == 0:
        return f"table: {answer!r} is empty. Give a file with a header and rows."
    return None


def target_problem(answers: dict[str, str]) -> str | None:
    """What is wrong with the answer ``target``, or None. A Parquet's columns are looked at later, by adopt."""
    table, target = answers["table"], answers["target"]
    if not table:
        return "target: needs a table of yours; without one, press Enter for the sample." if target else None
    if not target:
        return "target: name the column of your table that is to be predicted."
    path = table_path(table)
    if path is None or path.suffix.lower() == ".parquet":
        return None
    with path.open("rb") as file:
        header = file.readline(1_000_000)
    text = header.decode(
        "utf-16" if header[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace"
    )
    found = {cell.strip() for sep in ",;\t|" for cell in next(csv.reader([text], delimiter=sep), [])}
    if "\ufffd" not in text and target not in found and target not in text:
        return (
            f"target: the first line of {path.name!r} has no column {target!r}. Look: head -1 {path.name!r}"
        )
    return None


def problems(answers: dict[str, str]) -> list[str]:
    """Everything that is wrong with the answers; each text names the answer and the fix."""
    wrong = []
    for name in ONE_LINE:
        value = answers[name]
        # Control characters, halves of characters, unassigned ones, line ends, and what turns text around.
        wild = {"Cc", "Cs", "Cn", "Co", "Zl", "Zp"}
        if any(
            unicodedata.category(letter) in wild or letter in "\u202a\u202b\u202d\u202e\ufeff"
            for letter in value
        ):
            wrong.append(
                f"{name}: holds a line end or another control character. Type it as one line of text."
            )
        elif len(value) > LONGEST and name != "table":
            wrong.append(
                f"{name}: is longer than {LONGEST} characters. Shorten it; README.md has room for more."
            )
    if not answers["project_name"].strip():
        wrong.append("project_name: is empty. Give the project a name, such as: Customer churn")
    slug = answers["project_slug"]
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", slug) or len(slug) > 60:
        wrong.append(
            f"project_slug: {slug!r} must begin with a letter and hold only a-z, 0-9 and single dashes, at most 60. "
            "Such as: customer-churn"
        )
    package = answers["package_name"]
    if (
        not re.fullmatch(r"[a-z][a-z0-9_]*", package)
        or keyword.iskeyword(package)
        or keyword.issoftkeyword(package)
    ):
        wrong.append(
            f"package_name: {package!r} is not a name that Python can import. Such as: customer_churn"
        )
    elif package in TAKEN:
        wrong.append(f"package_name: {package!r} would hide a library of that name. Such as: {package}_model")
    email = answers["author_email"]
    if email and not re.fullmatch(r"[^@\s<>\"]+@[^@\s<>\"]+", email):
        wrong.append(f"author_email: {email!r} is not an address. Such as: ada@example.org, or press Enter.")
    if re.search(r"[<>]", answers["author_name"]):
        wrong.append("author_name: holds < or >, which git forbids in names. Leave them out.")
    storage = answers["storage"]
    if storage != "git" and not STORAGE.fullmatch(storage):
        wrong.append(
            f"storage: {storage!r} is neither git, nor s3://bucket/path (or gs:// azure:// ssh://), nor an absolute "
            "path. Keys and passwords do not belong in it."
        )
    elif re.search(r"//[^/]*:[^/]*@", storage):
        wrong.append(
            "storage: holds a password, which would be written into git. Leave it out; DVC asks the machine."
        )
    uri = answers["mlflow_tracking_uri"]
    if uri and not TRACKING.fullmatch(uri):
        wrong.append(
            f"mlflow_tracking_uri: {uri!r} is no http:// or https:// address. Press Enter for a local file."
        )
    elif re.search(r"//[^/]*@", uri):
        wrong.append(
            "mlflow_tracking_uri: holds a user or password, which would be written into git. Leave it out."
        )
    if not os.environ.get("GITOPS_ML_RENDER_ONLY"):  # a project records the table's name, not where it was
        wrong += [
            problem for problem in (table_problem(answers["table"]), target_problem(answers)) if problem
        ]
    return wrong


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - cookiecutter itself still runs on 3.10
        sys.exit(
            "error: Python 3.11 or newer is needed. Run cookiecutter with one: uvx --python 3.11 cookiecutter ..."
        )
    wrong = problems({name: str(value) for name, value in ANSWERS.items()})
    if wrong:
        sys.exit("error: " + "\nerror: ".join(wrong))


if __name__ == "__main__":
    main()
