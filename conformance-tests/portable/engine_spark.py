"""Spark: the Parquet files as temporary views, parameters bound by name."""

import datetime
import decimal
import os
import sys

import shipped
from answer import Answer

FAMILIES = {
    "boolean": "boolean",
    "tinyint": "number",
    "smallint": "number",
    "int": "number",
    "bigint": "number",
    "float": "floating",
    "double": "floating",
    "date": "date",
    "timestamp": "time",
    "timestamp_ntz": "time",
    "string": "text",
    "void": "nothing",
}


def family(ty):
    name = ty.simpleString()
    if name.startswith("decimal"):
        return "number"
    return "text" if name.startswith(("varchar", "char")) else FAMILIES.get(name, name)


def expanded(sql):
    """The one function of ours that shipped SQL may call, in the words of Spark."""
    head, found, rest = sql.partition("business_date(")
    if not found:
        return sql
    depth, end = 1, 0
    while depth:
        depth += {"(": 1, ")": -1}.get(rest[end], 0)
        end += 1
    return f"{head}TO_DATE(FROM_UTC_TIMESTAMP({rest[: end - 1]})){expanded(rest[end:])}"


def bound(value, ty):
    if value is None:
        return None
    if ty == "date":
        return datetime.date.fromisoformat(value)
    if ty in ("dateTime", "instant"):
        return datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    return decimal.Decimal(str(value)) if ty == "decimal" else value


class Spark:
    name = "Spark"

    def __init__(self, tables, folder):
        from pyspark.sql import SparkSession

        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        settings = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.memory": "1g",
            # Few rows: compiling code for them and cutting them into parts would take most of the time.
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.sql.adaptive.enabled": "false",
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
            "spark.sql.session.timeZone": "UTC",
            # What cannot be computed is an error, as the standard has it, and not null.
            "spark.sql.ansi.enabled": "true",
            "spark.log.level": "ERROR",
        }
        builder = SparkSession.builder.master("local[2]").appName("portable")
        for name, value in settings.items():
            builder = builder.config(name, value)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")
        self.kept, self.folder = {}, folder
        self.tables = {canonical: self.session.read.parquet(str(path)) for canonical, path in tables.items()}

    def rows(self, library, setting, types):
        """The rows of a Library that others read, kept so that they are not made, nor planned, again."""
        key = (library.canonical, *((name, setting[name]) for name in sorted(library.asked())))
        if key not in self.kept:
            frame = self.frame(library, setting, types)
            path = str(self.folder / f"layer{len(self.kept)}.parquet")
            frame.write.parquet(path)
            self.kept[key] = self.session.read.parquet(path)
        return self.kept[key]

    def frame(self, library, setting, types):
        below = {}
        for label, canonical in library.tables.items():
            source = library.pack.by_canonical[canonical]
            is_sql = isinstance(source, shipped.Library)
            below[label] = self.rows(source, setting, types) if is_sql else self.tables[source.canonical]
        # A query is resolved when it is made, so the names can mean something else afterwards.
        for label, frame in below.items():
            frame.createOrReplaceTempView(label)
        values = {name: bound(setting[name], types[name]) for name in library.used()}
        return self.session.sql(expanded(library.sql("spark-sql")), args=values)

    def query(self, library, setting):
        frame = self.frame(library, setting, library.parameters)
        families = [family(field.dataType) for field in frame.schema]
        return Answer(frame.columns, families, frame.collect())

    def close(self):
        self.session.stop()
