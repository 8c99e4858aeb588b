"""Writes the Juniper Practice, whose front office and payments give the figures before and after a claim.

Every person and organisation is made up. Run it in this folder; the Bundle is what the tests read. What
each figure must be is worked out by hand in expected.json.
"""
import json
from decimal import Decimal

BASE = "https://remit.example/fhir/rcm"
HL7 = "http://terminology.hl7.org/CodeSystem"
X12 = "https://x12.org/codes"
CPT = "http://www.ama-assn.org/go/cpt"
ZONE = "America/Chicago"
ALL = []


def coding(system, code):
    return {"coding": [{"system": system, "code": code}]}


def money(value):
    return {"value": Decimal(value), "currency": "USD"}


def ref(to):
    return {"reference": to}


def put(kind, id, **members):
    ALL.append({"resourceType": kind, "id": id, **members})


def places():
    zone = {"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": ZONE}
    put("Organization", "juniper", name="Juniper Practice", extension=[zone])
    put("Location", "north", name="Juniper North", extension=[zone], managingOrganization=ref("Organization/juniper"))
    put("Location", "south", name="Juniper South", managingOrganization=ref("Organization/juniper"))
    for id, family in [("dr-ash", "Ash"), ("dr-yew", "Yew")]:
        put("Practitioner", id, name=[{"family": family, "given": ["Test"]}])
    for id, name in [("Q1", "Quartz Health"), ("Q2", "Basalt Mutual"), ("Q3", "Slate Plan")]:
        put("Organization", id, name=name)


def units():
    """Relative value units of work, as a supplement to the codes of services."""
    put("CodeSystem", "work-units", url="https://juniper.example/CodeSystem/work-units", status="active", content="supplement",
        supplements=CPT, property=[{"code": "work-rvu", "type": "decimal"}],
        concept=[{"code": code, "property": [{"code": "work-rvu", "valueDecimal": Decimal(value)}]}
                 for code, value in [("P100", "1.30"), ("P300", "0.97"), ("P400", "2.00")]])


def limit(value, unit):
    return {"url": f"{BASE}/StructureDefinition/rcm-deadline", "extension": [
        {"url": "kind", "valueCode": "timely-filing"},
        {"url": "limit", "valueDuration": {"value": value, "system": "http://unitsofmeasure.org", "code": unit}}]}


def payers():
    put("Contract", "contract-q1", status="executed", subject=[ref("Organization/Q1")], extension=[limit(3, "mo")])
    put("Contract", "contract-q2", status="executed", subject=[ref("Organization/Q2")], extension=[limit(90, "d")])
    # Q2 always wants to authorize service P300.
    put("ConceptMap", "authorization-q2", status="active",
        useContext=[{"code": {"system": f"{BASE}/CodeSystem/rcm-context", "code": "payer"},
                     "valueReference": ref("Organization/Q2")}],
        group=[{"source": CPT, "target": f"{BASE}/CodeSystem/rcm-authorization",
                "element": [{"code": "P300", "target": [{"code": "required", "equivalence": "equivalent"}]}]}])


def patient(name, *coverages):
    """Coverages are (id, payer or None, status, first day, has a number[, class])."""
    put("Patient", name, name=[{"family": f"Juniper-{name}"}])
    for id, payer, status, start, numbered, *kind in coverages:
        body = dict(status=status, beneficiary=ref(f"Patient/{name}"), period={"start": start}, order=1)
        if kind:
            body["type"] = coding(f"{HL7}/v3-ActCode", kind[0])
        if payer:
            body["payor"] = [ref(f"Organization/{payer}")]
        else:
            body["payor"] = [ref(f"Patient/{name}")]
            body["type"] = coding(f"{HL7}/coverage-selfpay", "pay")
        if numbered:
            body["subscriberId"] = f"M-{name}"
        put("Coverage", id, **body)


def people():
    patient("a", ("cov-a", "Q1", "active", "2026-01-01", True, "EHCPOL"))
    patient("b", ("cov-b", "Q2", "active", "2026-01-08", True, "PUBLICPOL"))
    patient("c", ("cov-c", None, "active", "2026-01-01", False))
    # Without insurance when first seen; Q2 covers the time since.
    patient("d", ("cov-d", None, "cancelled", "2026-01-01", False), ("cov-d-q2", "Q2", "active", "2026-04-01", True))
    patient("e")
    patient("f", ("cov-f", "Q1", "active", "2026-01-01", True, "EHCPOL"))
    patient("g", ("cov-g", "Q3", "active", "2026-01-01", False))
    put("Account", "acc-c", status="active", subject=[ref("Patient/c")], coverage=[{"coverage": ref("Coverage/cov-c")}])


def at(text):
    """A local time of the practice as an instant."""
    return text if text.endswith("Z") or len(text) == 10 else f"{text}:00-05:00"


def visit(id, who, place, doctor, start, end, status="finished", kind="AMB", booked=None):
    body = dict(status=status, subject=ref(f"Patient/{who}"), period={"start": at(start)},
                location=[{"location": ref(f"Location/{place}")}],
                participant=[{"individual": ref(f"Practitioner/{doctor}")}],
                serviceProvider=ref("Organization/juniper"),
                **{"class": {"system": f"{HL7}/v3-ActCode", "code": kind}})
    if end:
        body["period"]["end"] = at(end)
    if booked:
        body["appointment"] = [ref(f"Appointment/{booked}")]
    put("Encounter", id, **body)


def appointment(id, place, doctor, start, created, status="fulfilled", kind=None):
    body = dict(status=status, start=at(start), end=at(start), participant=[
        {"actor": ref(f"Practitioner/{doctor}"), "status": "accepted"},
        {"actor": ref(f"Location/{place}"), "status": "accepted"}])
    if created:
        body["created"] = at(created)
    if kind:
        body["appointmentType"] = coding(f"{HL7}/v2-0276", kind)
    put("Appointment", id, **body)


def task(id, code, focus, authored, ended=None, status="completed"):
    body = dict(status=status, intent="order", code=coding(f"{BASE}/CodeSystem/rcm-task", code), focus=ref(focus),
                authoredOn=at(authored))
    if ended:
        body["executionPeriod"] = {"end": at(ended)}
    put("Task", id, **body)


def front_office():
    appointment("AP1", "north", "dr-ash", "2026-04-02T09:00", "2026-03-20T10:00")
    appointment("AP2", "south", "dr-yew", "2026-04-06T09:00", "2026-04-03")
    appointment("AP3", "north", "dr-ash", "2026-04-07T15:00", "2026-04-07T08:00")
    appointment("AP4", "south", "dr-yew", "2026-04-08T10:00", "2026-04-02T04:30:00Z")
    appointment("AP5", "north", "dr-ash", "2026-04-09T10:00", "2026-04-01")
    appointment("AP6", "north", "dr-ash", "2026-04-10T10:00", "2026-04-09", kind="WALKIN")
    appointment("AP7", "south", "dr-yew", "2026-04-13T10:00", None)
    appointment("AP8", "north", "dr-ash", "2026-04-14T10:00", "2026-04-10", status="booked")
    appointment("AP9", "north", "dr-ash", "2026-04-15T10:00", "2026-04-01", status="cancelled")
    appointment("AP10", "south", "dr-yew", "2026-05-01T04:30:00Z", "2026-04-20")
    appointment("AP11", "south", "dr-yew", "2026-04-15T10:00", "2026-04-01", status="noshow")
    appointment("AP12", "north", "dr-ash", "2026-04-16T10:00", "2026-04-01", status="noshow")

    visit("V1", "a", "north", "dr-ash", "2026-04-02T09:00", "2026-04-02T09:40", booked="AP1")
    visit("V2", "b", "south", "dr-yew", "2026-04-06T09:00", "2026-04-06T09:30", booked="AP2")
    visit("V3", "c", "north", "dr-ash", "2026-04-07T15:00", "2026-04-07T15:20", booked="AP3")
    visit("V4", "d", "south", "dr-yew", "2026-04-08T10:00", "2026-04-08T10:30", booked="AP4")
    visit("V5", "e", "north", "dr-ash", "2026-04-09T10:00", "2026-04-09T11:00", kind="EMER", booked="AP5")
    visit("V6", "f", "north", "dr-ash", "2026-04-10T10:00", "2026-04-10T10:30", booked="AP6")
    visit("V7", "a", "south", "dr-yew", "2026-04-13T10:00", "2026-04-13T10:30", booked="AP7")
    visit("V8", "b", "north", "dr-ash", "2026-04-14T10:00", None, status="planned", booked="AP8")
    visit("V9", "a", "north", "dr-ash", "2026-04-15T10:00", None, status="cancelled", booked="AP9")
    # Half past eleven in the evening of April 30 in Chicago.
    visit("V10", "f", "south", "dr-yew", "2026-05-01T04:30:00Z", "2026-05-01T10:00", kind="IMP", booked="AP10")
    visit("V11", "a", "north", "dr-ash", "2026-04-21T10:00", "2026-04-21T10:10")
    visit("V12", "g", "north", "dr-ash", "2026-04-02T14:00", "2026-04-02T14:30")

    task("reg-1", "registration", "Appointment/AP1", "2026-03-25T10:00", "2026-04-01T16:00")
    task("reg-2", "registration", "Encounter/V2", "2026-04-06T08:00", "2026-04-06T08:30")
    put("QuestionnaireResponse", "form-4", status="completed", encounter=ref("Encounter/V4"), authored=at("2026-04-07T20:00"),
        questionnaire=f"{BASE}/Questionnaire/rcm-registration|1.0.0")
    put("QuestionnaireResponse", "form-2", status="completed", encounter=ref("Encounter/V2"), authored=at("2026-04-01T20:00"),
        questionnaire="https://juniper.example/Questionnaire/pain-scale")
    task("reg-10", "registration", "Appointment/AP10", "2026-04-29T10:00")
    task("reg-8", "registration", "Appointment/AP8", "2026-04-11T10:00", status="in-progress")

    for id, place, doctor in [("plan-ash", "north", "dr-ash"), ("plan-yew", "south", "dr-yew")]:
        put("Schedule", id, actor=[ref(f"Practitioner/{doctor}"), ref(f"Location/{place}")])
    for id, plan, status, start, end in [
            ("SL1", "plan-ash", "busy", "2026-04-02T09:40", "2026-04-02T10:10"),
            ("SL2", "plan-ash", "free", "2026-04-02T10:10", "2026-04-02T11:10"),
            ("SL3", "plan-ash", "busy-unavailable", "2026-04-02T12:00", "2026-04-02T12:30"),
            ("SL4", "plan-ash", "busy-tentative", "2026-04-02T13:00", "2026-04-02T13:30"),
            ("SL5", "plan-yew", "busy", "2026-04-06T18:30", "2026-04-06T20:00"),
            ("SL6", "plan-yew", "entered-in-error", "2026-04-06T08:00", "2026-04-06T09:00"),
            # Half past eleven in the evening of March 31 in Chicago.
            ("SL7", "plan-yew", "busy", "2026-04-01T04:30:00Z", "2026-04-01T05:00:00Z")]:
        put("Slot", id, schedule=ref(f"Schedule/{plan}"), status=status, start=at(start), end=at(end))


def eligibility(id, who, coverage, created, inforce=True, outcome="complete", days=None, authorize=None):
    insurance = {"coverage": ref(f"Coverage/{coverage}"), "inforce": inforce}
    if authorize:
        insurance["item"] = [{"productOrService": coding(CPT, authorize), "authorizationRequired": True}]
    body = dict(status="active", purpose=["benefits"], patient=ref(f"Patient/{who}"), created=at(created), outcome=outcome,
                request=ref(f"CoverageEligibilityRequest/{id}"), insurer=ref("Organization/Q1"), insurance=[insurance])
    if days:
        body["servicedPeriod"] = {"start": days[0], "end": days[1]}
    put("CoverageEligibilityResponse", id, **body)


def insurance():
    eligibility("EL1", "a", "cov-a", "2026-04-01T10:00", days=("2026-04-01", "2026-04-05"), authorize="P100")
    eligibility("EL2", "b", "cov-b", "2026-04-06T16:00")
    eligibility("EL3", "d", "cov-d-q2", "2026-04-08T08:00")
    eligibility("EL4", "f", "cov-f", "2026-04-01", outcome="error")
    eligibility("EL5", "a", "cov-a", "2026-04-10", inforce=False)
    eligibility("EL6", "f", "cov-f", "2026-04-29", authorize="P100")
    put("ServiceRequest", "order-7", status="active", intent="order", subject=ref("Patient/a"), encounter=ref("Encounter/V7"),
        code=coding(CPT, "P400"), extension=[{
            "url": "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information",
            "extension": [{"url": "coverage", "valueReference": ref("Coverage/cov-a")},
                          {"url": "pa-needed", "valueCode": "auth-needed"}]}])


def request(id, who, payer, product, created, urgency="normal"):
    put("Claim", id, status="active", type=coding(f"{HL7}/claim-type", "professional"), use="preauthorization",
        patient=ref(f"Patient/{who}"), created=at(created), provider=ref("Organization/juniper"),
        insurer=ref(f"Organization/{payer}"), facility=ref("Location/north"),
        priority=coding(f"{HL7}/processpriority", urgency),
        insurance=[{"sequence": 1, "focal": True, "coverage": ref(f"Coverage/cov-{who}")}],
        item=[{"sequence": 1, "productOrService": coding(CPT, product)}])


def decision(id, request, who, payer, created, review=None, number=None, period=None, outcome="complete"):
    body = dict(status="active", type=coding(f"{HL7}/claim-type", "professional"), use="preauthorization",
                patient=ref(f"Patient/{who}"), created=at(created), insurer=ref(f"Organization/{payer}"),
                request=ref(f"Claim/{request}"), outcome=outcome)
    if review:
        pas = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-reviewAction"
        body["item"] = [{"itemSequence": 1, "adjudication": [{
            "category": coding(f"{HL7}/adjudication", "submitted"),
            "extension": [{"url": pas, "extension": [
                {"url": f"{pas}Code", "valueCodeableConcept": coding("https://codesystem.x12.org/005010/306", review)}]}]}]}]
    if number:
        body["preAuthRef"] = number
    if period:
        body["preAuthPeriod"] = {"start": period[0], "end": period[1]}
    put("ClaimResponse", id, **body)


def authorizations():
    request("PR1", "a", "Q1", "P100", "2026-03-25T10:00")
    decision("PD1", "PR1", "a", "Q1", "2026-03-27T12:00", number="AUTH-1", period=("2026-04-01", "2026-04-30"))
    request("PR2", "b", "Q2", "P300", "2026-04-01T09:00")
    decision("PD2", "PR2", "b", "Q2", "2026-04-09T09:00", review="A3")
    task("appeal-pr2", "appeal", "Claim/PR2", "2026-04-10T09:00", "2026-04-14T09:00")
    decision("PD2b", "PR2", "b", "Q2", "2026-04-14T09:00", review="A1", number="AUTH-2", period=("2026-04-14", "2026-05-31"))
    request("PR3", "a", "Q1", "P500", "2026-04-02T08:00", "stat")
    decision("PD3", "PR3", "a", "Q1", "2026-04-03T14:00", review="A1", number="AUTH-3")
    request("PR4", "f", "Q1", "P100", "2026-04-20T10:00")
    decision("PD4", "PR4", "f", "Q1", "2026-04-22T10:00", number="AUTH-4", period=("2026-04-01", "2026-05-31"))
    request("PR5", "b", "Q2", "P600", "2026-04-05T00:00", "stat")
    decision("PD5", "PR5", "b", "Q2", "2026-04-09T00:00")
    request("PR6", "a", "Q1", "P600", "2026-04-25T10:00")
    decision("PD6", "PR6", "a", "Q1", "2026-04-26T10:00", review="A4", outcome="partial")
    request("PR7", "a", "Q1", "P400", "2026-04-10")
    decision("PD7", "PR7", "a", "Q1", "2026-04-16", review="A1", number="AUTH-9", period=("2026-03-01", "2026-03-31"))


def charge(id, visit, who, product, price, service, entered, status="billable", account=None):
    body = dict(status=status, code=coding(CPT, product), subject=ref(f"Patient/{who}"), context=ref(f"Encounter/{visit}"),
                occurrenceDateTime=service, priceOverride=money(price))
    if entered:
        body["enteredDate"] = at(entered)
    if account:
        body["account"] = [ref(f"Account/{account}")]
    put("ChargeItem", id, **body)


def claim(id, who, payer, coverage, place, doctor, service, created, lines, *, visit=None, numbers=(), total=None,
          status="active", diagnosis=True, located=True, quantity=1):
    """Lines are (service, charge)."""
    focal = {"sequence": 1, "focal": True, "coverage": ref(f"Coverage/{coverage}")}
    if numbers:
        focal["preAuthRef"] = list(numbers)
    items = []
    for n, (product, net) in enumerate(lines, 1):
        item = {"sequence": n, "productOrService": coding(CPT, product), "servicedDate": service,
                "quantity": {"value": quantity}, "net": money(net)}
        if diagnosis:
            item["diagnosisSequence"] = [1]
        if visit:
            item["encounter"] = [ref(f"Encounter/{visit}")]
        if located:
            item["locationCodeableConcept"] = coding("https://www.cms.gov/Medicare/Coding/place-of-service-codes", "11")
        items.append(item)
    body = dict(
        identifier=[{"system": "https://juniper.example/claims", "value": id}],
        status=status, type=coding(f"{HL7}/claim-type", "professional"), use="claim", patient=ref(f"Patient/{who}"),
        created=at(created), provider=ref("Organization/juniper"), insurer=ref(f"Organization/{payer}"),
        facility=ref(f"Location/{place}"), priority=coding(f"{HL7}/processpriority", "normal"),
        careTeam=[{"sequence": 1, "provider": ref(f"Practitioner/{doctor}"), "role": coding(
            "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBClaimCareTeamRole", "rendering")}],
        insurance=[focal], item=items, total=money(total or str(sum(Decimal(net) for _, net in lines))))
    if diagnosis:
        body["diagnosis"] = [{"sequence": 1, "diagnosisCodeableConcept": coding("http://hl7.org/fhir/sid/icd-10-cm", "Z00.00")}]
    put("Claim", id, **body)


def answer(id, claim, who, payer, day, paid=None, adjustments=(), outcome="complete", remitted=True):
    body = dict(status="active", type=coding(f"{HL7}/claim-type", "professional"), use="claim",
                patient=ref(f"Patient/{who}"), created=f"{day}T08:00:00-05:00", insurer=ref(f"Organization/{payer}"),
                outcome=outcome)
    if claim:
        body["request"] = ref(f"Claim/{claim}")
    if remitted:
        body["extension"] = [{"url": f"{BASE}/StructureDefinition/rcm-claim-status-code", "valueCode": "1"}]
    if paid is not None:
        rows = [{"category": coding(f"{HL7}/adjudication", "benefit"), "amount": money(paid)}]
        rows += [{"category": coding(f"{X12}/claim-adjustment-group-codes", group),
                  "reason": coding(f"{X12}/claim-adjustment-reason-codes", carc), "amount": money(amount)}
                 for group, carc, amount in adjustments]
        body["adjudication"] = rows
    put("ClaimResponse", id, **body)


def payment(id, day, payer, details, adjustments=()):
    lines = [{"type": coding(f"{HL7}/payment-type", "payment"), "response": ref(f"ClaimResponse/{response}"),
              "request": ref(f"Claim/{claim}"), "amount": money(amount)} for claim, response, amount in details]
    for reason, amount in adjustments:
        kind = coding(f"{HL7}/payment-type", "adjustment")
        kind["coding"].append({"system": f"{X12}/provider-adjustment-reason-codes", "code": reason})
        lines.append({"type": kind, "amount": money(amount)})
    put("PaymentReconciliation", id, status="active", created=f"{day}T08:00:00-05:00", paymentIssuer=ref(f"Organization/{payer}"),
        paymentDate=day, paymentAmount=money(str(sum(line["amount"]["value"] for line in lines))), detail=lines)


def paid_by_patient(id, day, who, request, amount):
    issuer = "http://hl7.org/fhir/5.0/StructureDefinition/extension-PaymentReconciliation.paymentIssuer"
    put("PaymentReconciliation", id, extension=[{"url": issuer, "valueReference": ref(f"Patient/{who}")}], status="active",
        created=f"{day}T12:00:00-05:00", paymentDate=day, paymentAmount=money(amount),
        detail=[{"type": coding(f"{HL7}/payment-type", "payment"), "request": ref(request), "amount": money(amount)}])


def billing():
    charge("CH1", "V1", "a", "P100", "400.00", "2026-04-02", "2026-04-03")
    charge("CH2", "V1", "a", "P200", "100.00", "2026-04-02", "2026-04-10")
    charge("CH3", "V2", "b", "P300", "300.00", "2026-04-06", "2026-04-07")
    charge("CH4", "V4", "d", "P700", "150.00", "2026-04-08", "2026-04-08")
    # Nine in the evening of April 14 in Chicago.
    charge("CH5", "V7", "a", "P400", "250.00", "2026-04-13", "2026-04-15T02:00:00Z")
    charge("CH6", "V6", "f", "P800", "80.00", "2026-04-10", None)
    charge("CH7", "V6", "f", "P800", "80.00", "2026-04-10", "2026-04-10", status="aborted")
    charge("CH8", "V3", "c", "P900", "60.00", "2026-04-07", "2026-04-07", account="acc-c")
    charge("CH9", "V11", "a", "P900", "10.00", "2026-04-21", "2026-04-21", status="not-billable")

    claim("CL1", "a", "Q1", "cov-a", "north", "dr-ash", "2026-04-02", "2026-04-03T10:00", [("P100", "400.00"), ("P200", "100.00")],
          visit="V1", numbers=["AUTH-1"])
    claim("CL2", "b", "Q2", "cov-b", "south", "dr-yew", "2026-04-06", "2026-04-09T10:00", [("P300", "300.00")], visit="V2",
          diagnosis=False)
    claim("CL3", "a", "Q1", "cov-a", "south", "dr-yew", "2026-04-13", "2026-04-21T10:00", [("P400", "250.00")], visit="V7",
          numbers=["AUTH-9"], located=False, quantity=2)
    claim("CL4", "f", "Q1", "cov-f", "south", "dr-yew", "2026-04-30", "2026-05-04T10:00", [("P100", "700.00")], visit="V10")
    claim("CL5", "b", "Q2", "cov-b", "south", "dr-yew", "2026-01-05", "2026-04-10T10:00", [("P700", "200.00")])
    claim("CL6", "f", "Q1", "cov-f", "north", "dr-ash", "2026-01-31", "2026-04-15T10:00", [("P700", "110.00")], total="120.00")
    claim("CL7", "b", "Q2", "cov-b", "north", "dr-ash", "2026-01-10", "2026-04-16T10:00", [("P700", "90.00")])
    claim("CL8", "g", "Q3", "cov-g", "north", "dr-ash", "2026-04-02", "2026-04-17T10:00", [("P700", "70.00")])
    claim("CLD", "f", "Q1", "cov-f", "north", "dr-ash", "2026-04-10", "2026-04-12", [("P800", "80.00")], visit="V6", status="draft")

    answer("R1", "CL1", "a", "Q1", "2026-04-15", "380.00", [("CO", "45", "100.00"), ("PR", "2", "20.00")])
    answer("R2", "CL2", "b", "Q2", "2026-04-10", outcome="queued", remitted=False)
    answer("R5", "CL5", "b", "Q2", "2026-04-20", "0.00", [("CO", "29", "200.00")])
    # An answer to a claim that is not in the record.
    answer("RU", None, "a", "Q1", "2026-04-15", "55.00")
    payment("era-0415", "2026-04-15", "Q1", [("CL1", "R1", "380.00")], [("WO", "-25.00"), ("L6", "3.00")])
    payment("era-0420", "2026-04-20", "Q2", [("CL5", "R5", "0.00")], [("FB", "-5.00")])
    task("unknown-ru", "unknown-claim", "ClaimResponse/RU", "2026-04-15T09:00", status="requested")
    task("difference-0420", "payment-difference", "PaymentReconciliation/era-0420", "2026-04-20T09:00", status="requested")
    task("crossover-r1", "crossover", "ClaimResponse/R1", "2026-04-15T09:00", status="requested")
    paid_by_patient("pay-1", "2026-04-20", "a", "Claim/CL1", "20.00")
    paid_by_patient("pay-2", "2026-04-25", "a", "Claim/CL1", "35.00")
    paid_by_patient("refund-1", "2026-04-28", "a", "Claim/CL1", "-10.00")
    paid_by_patient("pay-3", "2026-04-01", "c", "Encounter/V3", "70.00")


def text(value):
    """JSON with decimals as they are written."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(text, value)) + "]"
    return json.dumps(value)


def main():
    for part in (places, units, payers, people, front_office, insurance, authorizations, billing):
        part()
    entries = [{"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}} for one in ALL]
    lines = ",\n".join(text(entry) for entry in entries)
    with open("practice.json", "w") as file:
        file.write('{"resourceType": "Bundle", "type": "transaction", "entry": [\n' + lines + "\n]}\n")


main()
