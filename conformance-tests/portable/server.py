"""The server under test, as the engine DataFusion: rows of views and of queries as Parquet."""

import json
import urllib.error
import urllib.request

import answer


class Server:
    def __init__(self, base, folder, knows_pack):
        self.base = base.rstrip("/")
        self.folder = folder
        self.knows_pack = knows_pack

    def post(self, path, parameters):
        body = json.dumps({"resourceType": "Parameters", "parameter": parameters}).encode()
        headers = {"Content-Type": "application/fhir+json"}
        request = urllib.request.Request(f"{self.base}/{path}", body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=120) as found:
                return found.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.code} {error.read().decode()[:2000]}") from None

    def rows_of(self, view):
        """The rows of a view, in a file."""
        path = self.folder / f"{view.name}.parquet"
        given = [
            {"name": "viewResource", "resource": view.resource},
            {"name": "_format", "valueCode": "parquet"},
        ]
        path.write_bytes(self.post("ViewDefinition/$viewdefinition-run", given))
        return path

    def query(self, library, setting):
        values = [
            {"name": name, "value" + ty[0].upper() + ty[1:]: setting[name]}
            for name, ty in library.parameters.items()
        ]
        given = [
            {"name": "subjectResource", "resource": library.resource},
            {"name": "_format", "valueCode": "parquet"},
        ]
        # What a Library reads goes with it, unless it comes with the program, which finds that by itself.
        if not self.knows_pack:
            given += [{"name": "context", "resource": below.resource} for below in library.below()]
        if values:
            given.append({"name": "parameters", "resource": {"resourceType": "Parameters", "parameter": values}})
        return answer.of_parquet(self.post("$sql-run", given))
