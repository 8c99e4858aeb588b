"""PostgreSQL: a database of its own, rows copied in from Parquet, queries prepared and bound."""

import datetime
import decimal
import os
import pathlib
import re
import shutil
import subprocess

import pyarrow.parquet
import pyarrow.types

import shipped
from answer import Answer

# Types of parameters as FHIR calls them; a text is what is not named here.
TYPES = {
    "date": "date",
    "dateTime": "timestamptz",
    "instant": "timestamptz",
    "boolean": "boolean",
    "integer": "bigint",
    "positiveInt": "bigint",
    "unsignedInt": "bigint",
    "decimal": "numeric",
}
FAMILIES = {
    "boolean": "boolean",
    "smallint": "number",
    "integer": "number",
    "bigint": "number",
    "numeric": "number",
    "real": "floating",
    "double precision": "floating",
    "date": "date",
    "timestamp without time zone": "time",
    "timestamp with time zone": "time",
    "text": "text",
    "character varying": "text",
    "character": "text",
}
# The one function of ours that shipped SQL may call.
BUSINESS_DATE = """create function public.business_date(instant timestamptz, zone text) returns date
language sql stable as 'select (instant at time zone zone)::date';"""


def psql():
    """The program, beside the server where the package of Debian puts it."""
    found = shutil.which("psql")
    places = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/psql"))
    return found or str(places[-1])


def column_type(ty):
    if pyarrow.types.is_decimal(ty):
        return f"numeric({ty.precision},{ty.scale})"
    kinds = [
        (pyarrow.types.is_boolean, "boolean"),
        (pyarrow.types.is_integer, "bigint"),
        (pyarrow.types.is_date, "date"),
        (pyarrow.types.is_timestamp, "timestamptz"),
        (pyarrow.types.is_string, "text"),
    ]
    return next(name for test, name in kinds if test(ty))


def copied(value):
    """A value as COPY reads it."""
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return re.sub(r"[\\\t\n\r]", lambda found: "\\" + {"\\": "\\", "\t": "t", "\n": "n", "\r": "r"}[found[0]], str(value))


def read(text, family):
    """A value as COPY writes it."""
    if text == r"\N":
        return None
    if family == "boolean":
        return text == "t"
    if family == "number":
        return decimal.Decimal(text)
    if family == "date":
        return datetime.date.fromisoformat(text)
    if family == "time":
        # PostgreSQL writes a zone as +00, and no more digits of a second than there are.
        return datetime.datetime.fromisoformat(re.sub(r"([+-]\d\d)$", r"\1:00", padded(text)))
    return re.sub(r"\\(.)", lambda found: {"t": "\t", "n": "\n", "r": "\r"}.get(found[1], found[1]), text)


def padded(text):
    return re.sub(r"\.(\d+)", lambda found: "." + found[1].ljust(6, "0"), text)


def literal(value):
    if value is None:
        return "null"
    return "'" + str(value).replace("'", "''") + "'"


class Postgres:
    name = "PostgreSQL"

    def __init__(self, url, tables):
        self.url = url.rstrip("/")
        self.database = f"remit_portable_{os.getpid()}"
        self.tables = {}
        self.run("postgres", f"create database {self.database} encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0;")
        self.run(self.database, f"create schema base;\n{BUSINESS_DATE}")
        for canonical, path in tables.items():
            self.load(canonical, path)

    def run(self, database, script):
        command = [psql(), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", f"{self.url}/{database}"]
        environment = {**os.environ, "PGTZ": "UTC", "PGDATESTYLE": "ISO", "PGCLIENTENCODING": "UTF8"}
        done = subprocess.run(command, input=script.encode(), capture_output=True, env=environment, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.decode())
        return done.stdout.decode()

    def load(self, canonical, path):
        table = pyarrow.parquet.read_table(path)
        name = f"base.t{len(self.tables)}"
        columns = ", ".join(f'"{field.name}" {column_type(field.type)}' for field in table.schema)
        rows = zip(*(column.to_pylist() for column in table.columns))
        lines = "".join("\t".join(map(copied, row)) + "\n" for row in rows)
        self.run(self.database, f"create table {name} ({columns});\ncopy {name} from stdin;\n{lines}\\.\nanalyze {name};\n")
        self.tables[canonical] = name

    def made(self, library, setting, types, done):
        """Statements that make the table of a Library and of those below it, each once, and its name."""
        if library.canonical in done:
            return "", done[library.canonical]
        schema = f"layer{len(done)}"
        done[library.canonical] = f"{schema}_rows.answer"
        labels, script = "", ""
        for label, canonical in library.tables.items():
            below = library.pack.by_canonical[canonical]
            source = self.tables.get(below.canonical)
            if isinstance(below, shipped.Library):
                statements, source = self.made(below, setting, types, done)
                script += statements
            labels += f"create view {schema}.{label} as select * from {source};\n"
        names = []

        def bound(token):
            name = token[1]
            if not name:
                return token[0]
            if name not in names:
                names.append(name)
            return f"${names.index(name) + 1}"

        sql = shipped.TOKEN.sub(bound, library.sql("postgresql").rstrip().rstrip(";"))
        declared = ", ".join(TYPES.get(types[name], "text") for name in names)
        values = ", ".join(literal(setting[name]) for name in names)
        head = f"prepare {schema} ({declared}) as" if names else f"prepare {schema} as"
        call = f"execute {schema} ({values})" if names else f"execute {schema}"
        script += f"create schema {schema};\ncreate schema {schema}_rows;\n{labels}"
        script += f"set search_path = {schema}, public;\n{head}\n{sql};\n"
        script += f"create table {schema}_rows.answer as {call};\nanalyze {schema}_rows.answer;\n"
        return script, done[library.canonical]

    def query(self, library, setting):
        script, answer = self.made(library, setting, library.parameters, {})
        found = self.run(
            self.database,
            f"begin;\n{script}"
            "select attname || chr(9) || regexp_replace(format_type(atttypid, null), '\\(.*', '') from pg_attribute "
            f"where attrelid = '{answer}'::regclass and attnum > 0 order by attnum;\n"
            f"select '';\ncopy {answer} to stdout;\nrollback;\n",
        )
        head, _, body = found.partition("\n\n")
        columns = [line.split("\t") for line in head.split("\n")]
        families = [FAMILIES.get(ty, ty) for _, ty in columns]
        lines = body.split("\n")[:-1] if body else []
        rows = [[read(text, family) for text, family in zip(line.split("\t"), families)] for line in lines]
        return Answer([name for name, _ in columns], families, rows)

    def close(self):
        self.run("postgres", f"drop database {self.database} with (force);")
