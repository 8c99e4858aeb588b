"""A round through the server with fhirpy: create, read, update, patch, search, pages, delete."""
import sys

from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound


def main(base):
    # fhirpy counts with a parameter of one vendor, _totalMethod, which only lenient handling lets pass.
    client = SyncFHIRClient(base, extra_headers={"Prefer": "handling=lenient"})
    organization = client.resource("Organization", name="Clinic")
    organization.save()
    assert organization.id

    for number in range(5):
        patient = client.resource(
            "Patient",
            name=[{"family": "Fhirpy", "given": [f"N{number}"]}],
            gender="female" if number % 2 else "male",
            managingOrganization=organization.to_reference(),
        )
        patient.save()
        assert patient["meta"]["versionId"] == "1"

    patients = client.resources("Patient").search(family="Fhirpy")
    assert patients.count() == 5, patients.count()
    assert len(patients.limit(2).fetch()) == 2
    assert len(patients.limit(2).fetch_all()) == 5
    assert len(patients.search(gender="female").fetch_all()) == 2

    first = patients.first()
    first["active"] = True
    first.save()
    assert first["meta"]["versionId"] == "2", first["meta"]
    assert first.to_reference().to_resource()["active"] is True
    assert first["managingOrganization"].to_resource()["name"] == "Clinic"

    created, is_new = client.resources("Patient").search(identifier="urn:fhirpy|1").update(
        client.resource("Patient", identifier=[{"system": "urn:fhirpy", "value": "1"}])
    )
    again, is_new_again = client.resources("Patient").search(identifier="urn:fhirpy|1").update(
        client.resource("Patient", identifier=[{"system": "urn:fhirpy", "value": "1"}])
    )
    assert is_new and not is_new_again and created.id == again.id

    try:
        client.resource("Patient", birthDate="yesterday").save()
        raise AssertionError("a wrong birthDate was taken")
    except OperationOutcome as error:
        assert "birthDate" in str(error.resource), error.resource

    first.delete()
    try:
        client.reference("Patient", first.id).to_resource()
        raise AssertionError("a deleted patient was read")
    except (ResourceNotFound, OperationOutcome):
        pass
    print("fhirpy: well")


main(sys.argv[1])
