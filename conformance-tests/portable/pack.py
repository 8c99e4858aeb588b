#!/usr/bin/env python3
"""Runs all SQL that comes with the program on DataFusion, PostgreSQL and Spark over the same Parquet, with
several settings of its parameters, and compares the rows exactly.

    remit demo --database sqlite:practice.db --claims 150 &
    python3 conformance-tests/portable/pack.py http://127.0.0.1:8080/fhir --postgres postgres://user@host

DataFusion answers in the server; the rows of each view come from it as Parquet, which the other engines
read. PostgreSQL needs psql and pyarrow, Spark needs Java and pyspark. An engine that is not there is
skipped, loudly, unless --require names it. What SQL may use is written down in src/mart/portable.rs.
"""

import argparse
import collections
import decimal
import importlib.util
import os
import pathlib
import shutil
import sys
import tempfile

import answer
import shipped
from server import Server

FOLDER = pathlib.Path(__file__).resolve().parent
REPOSITORY = FOLDER.parent.parent
SHIPPED = REPOSITORY / "profiles" / "rcm"
SHOWN_ROWS = 3


def differences(expected, found):
    """Sentences on how two answers differ; none when they are the same, whatever the order of rows."""
    if expected.names != found.names:
        return [f"columns {found.names}, not {expected.names}"]
    faults = []
    for name, ours, theirs in zip(expected.names, expected.families, found.families):
        if "floating" in (ours, theirs):
            faults.append(f"column {name} is a floating number ({ours}, {theirs}); cast it to DECIMAL")
        elif ours != theirs and "nothing" not in (ours, theirs):
            faults.append(f"column {name} is {theirs}, not {ours}")
    ours, theirs = collections.Counter(expected.rows), collections.Counter(found.rows)
    for title, rows in (("missing", ours - theirs), ("too many", theirs - ours)):
        for row in sorted(rows, key=repr)[:SHOWN_ROWS]:
            faults.append(f"{title}: {dict(zip(expected.names, map(str, row)))}")
        if len(rows) > SHOWN_ROWS:
            faults.append(f"{title}: {len(rows)} rows in all")
    return faults


def check_itself():
    """A comparison that finds nothing proves nothing unless it can find something."""
    names, families = ["id", "total"], ["text", "number"]
    rows = [("a", decimal.Decimal("1.50")), ("b", None)]
    ours = answer.Answer(names, families, rows)
    others = [
        (True, answer.Answer(names, families, [("b", None), ("a", decimal.Decimal("1.5"))])),
        (False, answer.Answer(names, families, [("b", None), ("a", decimal.Decimal("1.51"))])),
        (False, answer.Answer(names, families, [("b", 0), ("a", decimal.Decimal("1.5"))])),
        (False, answer.Answer(names, families, rows + rows[:1])),
        (False, answer.Answer(names, ["text", "floating"], rows)),
        (False, answer.Answer(["id", "sum"], families, rows)),
    ]
    for is_same, other in others:
        assert (not differences(ours, other)) == is_same, other.rows


def engines(options, tables, folder):
    """The engines beside DataFusion that are there, and the names of those that are not."""
    have_java = bool(shutil.which("java") or os.environ.get("JAVA_HOME"))
    missing = {}
    made = []
    if not options.postgres:
        missing.setdefault("postgres", "--postgres names no server")
    if not importlib.util.find_spec("pyspark"):
        missing.setdefault("spark", "pyspark is not installed")
    if not have_java:
        missing.setdefault("spark", "there is no Java")
    if "postgres" not in missing:
        from engine_postgres import Postgres

        made.append(Postgres(options.postgres, tables))
    if "spark" not in missing:
        from engine_spark import Spark

        made.append(Spark(tables, folder))
    return made, missing


def compare(pack, server, others):
    """Asks every engine every query; gives the number of faults."""
    faults = 0
    for library in pack.asked:
        seen_rows = 0
        for setting in pack.settings(library):
            told = " ".join(f"{name}={value}" for name, value in setting.items())
            try:
                expected = server.query(library, setting)
            except RuntimeError as error:
                print(f"{library.name} {told}: refused by the server: {error}", flush=True)
                faults += 1
                break
            seen_rows += len(expected.rows)
            print(f"{library.name} {told}: {len(expected.rows)} rows", flush=True)
            for engine in others:
                try:
                    found = differences(expected, engine.query(library, setting))
                except Exception as error:  # An engine that refuses a query is a finding like any other.
                    found = [f"refused: {str(error).strip()[:600]}"]
                print(f"  {engine.name}: {'equal' if not found else 'DIFFERENT'}", flush=True)
                for sentence in found:
                    print(f"    {sentence}")
                faults += len(found)
        if not seen_rows:
            print(f"  {library.name} gives no row with any setting, so nothing is proved")
            faults += 1
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("base", help="address of a server with a practice, such as http://127.0.0.1:8080/fhir")
    parser.add_argument("--postgres", metavar="URL", help="server where a database may be made, without a database")
    parser.add_argument("--require", action="append", default=[], choices=["postgres", "spark"])
    parser.add_argument("--pack", metavar="FOLDER", type=pathlib.Path, default=SHIPPED)
    parser.add_argument("--only", metavar="NAME", help="only the Libraries whose name holds this")
    options = parser.parse_args()
    check_itself()
    if not importlib.util.find_spec("pyarrow"):
        sys.exit("Nothing is compared: pyarrow is not installed, and without it no Parquet can be read.")
    pack = shipped.Pack(options.pack, FOLDER / "parameters.json", options.only)
    with tempfile.TemporaryDirectory(prefix="remit-portable-") as folder:
        server = Server(options.base, pathlib.Path(folder), options.pack == SHIPPED)
        tables = {view.canonical: server.rows_of(view) for view in pack.views}
        others, missing = engines(options, tables, server.folder)
        for name, reason in missing.items():
            print(f"SKIPPED: {name}, because {reason}.", file=sys.stderr)
        try:
            faults = compare(pack, server, others)
        finally:
            for engine in others:
                engine.close()
    required = [name for name in options.require if name in missing]
    if required:
        sys.exit(f"--require asks for {', '.join(required)}")
    print(f"{len(pack.asked)} of {len(pack.libraries)} Libraries asked, the others below them; {1 + len(others)} engines, {faults} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
