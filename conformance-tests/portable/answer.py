"""Rows of an engine, made comparable: numbers by their value, dates and instants as text, null as None."""

import datetime
import decimal
import io


class Answer:
    """Names of columns, the family of each column's type, and rows."""

    def __init__(self, names, families, rows):
        self.names = list(names)
        self.families = list(families)
        self.rows = [tuple(plain(value) for value in row) for row in rows]


def plain(value):
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, decimal.Decimal)):
        # 1.50 and 1.5 are one number; the scale of a sum differs from engine to engine.
        value = decimal.Decimal(value)
        return value.normalize(decimal.Context(prec=76)) if value else decimal.Decimal(0)
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return value.isoformat(timespec="microseconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value)
    raise TypeError(f"a value of type {type(value).__name__} is not compared")


def family_of_arrow(ty):
    import pyarrow.types as types

    kinds = [
        (types.is_boolean, "boolean"),
        (types.is_integer, "number"),
        (types.is_decimal, "number"),
        (types.is_floating, "floating"),
        (types.is_date, "date"),
        (types.is_timestamp, "time"),
        (types.is_string, "text"),
        (types.is_large_string, "text"),
        (types.is_string_view, "text"),
        (types.is_null, "nothing"),
    ]
    return next((name for test, name in kinds if test(ty)), str(ty))


def of_parquet(data):
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(io.BytesIO(data))
    families = [family_of_arrow(field.type) for field in table.schema]
    columns = [column.to_pylist() for column in table.columns]
    rows = zip(*columns) if columns else []
    return Answer(table.schema.names, families, rows)
