"""What comes with the program: views, and Libraries of SQL with their parameters and dependencies."""

import base64
import fnmatch
import json
import re

# SQL for one engine only stands beside the common one under this parameter of its content type.
DIALECT = "dialect="
# A text, a comment, or a parameter.
TOKEN = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/|:([A-Za-z_][A-Za-z0-9_]*)", re.S)


class View:
    def __init__(self, resource):
        self.resource = resource
        self.name = resource["name"]
        self.canonical = canonical(resource)


class Library:
    def __init__(self, resource):
        self.resource = resource
        self.name = resource["name"]
        self.canonical = canonical(resource)
        self.is_view = any(coding.get("code") == "sql-view" for coding in resource["type"]["coding"])
        self.parameters = {
            parameter["name"]: parameter["type"]
            for parameter in resource.get("parameter", [])
            if parameter.get("use", "in") == "in"
        }
        self.tables = {
            artifact["label"]: artifact["resource"]
            for artifact in resource.get("relatedArtifact", [])
            if artifact["type"] == "depends-on"
        }
        self.texts = {}
        for content in resource["content"]:
            kind = content.get("contentType", "").replace(" ", "").lower()
            if kind.startswith("application/sql"):
                dialect = kind.partition(DIALECT)[2] if DIALECT in kind else ""
                self.texts[dialect] = base64.b64decode(content["data"]).decode()

    def below(self):
        """All that the Library reads, directly or through others, each once."""
        found = {}
        for name in self.tables.values():
            item = self.pack.by_canonical.get(name)
            if item is None:
                raise SystemExit(f"Library {self.name}: nothing that comes with the program has the URL {name}")
            found[item.canonical] = item
            if isinstance(item, Library):
                found.update({inner.canonical: inner for inner in item.below()})
        return list(found.values())

    def used(self):
        """The parameters that the text names."""
        return {name for text in self.texts.values() for name in TOKEN.findall(text) if name}

    def asked(self):
        """The parameters that the text and all below it name."""
        return self.used().union(*(item.used() for item in self.below() if isinstance(item, Library)))

    def sql(self, dialect):
        """The text for an engine: its own where there is one, else the common one."""
        return self.texts.get(dialect, self.texts.get(""))


def canonical(resource):
    return f"{resource['url']}|{resource['version']}" if "version" in resource else resource["url"]


class Pack:
    def __init__(self, folder, parameters, only=None):
        self.views, self.libraries, self.by_canonical = [], [], {}
        for path in sorted(folder.rglob("*.json")):
            resource = json.loads(path.read_text())
            # Beside the resources lie declarations that are none.
            kind = resource.get("resourceType")
            if kind == "ViewDefinition":
                self.add(self.views, View(resource))
            elif kind == "Library" and is_sql(resource):
                self.add(self.libraries, Library(resource))
        self.must_be_used(folder)
        for library in self.libraries:
            # Who reads a Library as a table finds it by the same name.
            library.pack = self
        # A SQLView has the parameters of the query above it. One that needs some is run below a query.
        asked = [library for library in self.libraries if not library.is_view or not library.asked()]
        reached = {item.canonical for library in asked for item in [library, *library.below()]}
        for library in self.libraries:
            if library.canonical not in reached:
                raise SystemExit(f"Library {library.name}: it needs parameters, and no query reads it")
        self.asked = [library for library in asked if not only or only in library.name]
        self.known = json.loads(parameters.read_text())

    def add(self, items, item):
        items.append(item)
        self.by_canonical[item.canonical] = item
        self.by_canonical[item.resource["url"]] = item

    def must_be_used(self, folder):
        """A file of SQL that no Library holds would not be run by anybody."""
        texts = {text for library in self.libraries for text in library.texts.values()}
        for path in sorted(folder.rglob("*.sql")):
            if path.read_text() not in texts:
                raise SystemExit(f"{path}: no Library holds this text")

    def settings(self, library):
        """Values for the parameters of a Library. Setting n takes value n of each, over and over."""
        own = self.known["libraries"].get(library.name, {})
        values = {}
        for name, ty in library.parameters.items():
            patterns = self.known["names"]
            found = [pattern for pattern in patterns if fnmatch.fnmatchcase(name, pattern)]
            known = own.get(name) or (patterns[found[0]] if found else self.known["types"].get(ty))
            if not known:
                raise SystemExit(
                    f"Library {library.name}: no value is known for its parameter {name} ({ty}); add some to parameters.json"
                )
            values[name] = known
        count = max((len(known) for known in values.values()), default=1)
        return [{name: known[n % len(known)] for name, known in values.items()} for n in range(count)]


def is_sql(resource):
    return any(c.get("contentType", "").startswith("application/sql") for c in resource.get("content", []))
