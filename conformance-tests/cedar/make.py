"""Writes the Cedar Clinic, a worked example of the revenue cycle, as transaction Bundles.

Every person and organisation is made up. Run it in this folder; the Bundles are what the tests read.
Each Bundle holds what became known in one stretch of time: the practice itself, January, and later.
"""
import json
from decimal import Decimal

BASE = "https://remit.example/fhir/rcm"
HL7 = "http://terminology.hl7.org/CodeSystem"
X12 = "https://x12.org/codes"
PRACTICE, JANUARY, LATER = [], [], []


def coding(system, code):
    return {"coding": [{"system": system, "code": code}]}


def money(value, currency="USD"):
    return {"value": Decimal(value), "currency": currency}


def ref(to):
    return {"reference": to}


def put(bundle, kind, id, **members):
    bundle.append({"resourceType": kind, "id": id, **members})


def stretch(day):
    """What a day belongs to: what happens after January is the later half."""
    return JANUARY if day < "2026-02-01" else LATER


PAYERS = {"P1": "Aspen Health Plan", "P2": "Birch Mutual", "P3": "Supplement of the Cedars"}


def practice():
    add = PRACTICE
    put(add, "Organization", "cedar-clinic", name="Cedar Clinic")
    zone = {"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "America/Denver"}
    put(add, "Location", "cedar-main", extension=[zone], name="Cedar Clinic, Main Street",
        managingOrganization=ref("Organization/cedar-clinic"))
    for id, family in [("dr-oak", "Oak"), ("dr-elm", "Elm")]:
        put(add, "Practitioner", id, name=[{"family": family, "given": ["Test"]}])
    for id, name in PAYERS.items():
        put(add, "Organization", id, name=name)
    put(add, "Contract", "contract-p2", status="executed", subject=[ref("Organization/P2")],
        term=[{"offer": {"text": "Fee schedule"}, "asset": [{"valuedItem": [
            {"entityCodeableConcept": coding("http://www.ama-assn.org/go/cpt", "E8-1"),
             "unitPrice": money("500.00")},
            {"entityCodeableConcept": coding("http://www.ama-assn.org/go/cpt", "E1-1"),
             "unitPrice": money("150.00")}]}]}])
    put(add, "Encounter", "visit-s1", status="finished", subject=ref("Patient/pt-s1"),
        **{"class": {"system": f"{HL7}/v3-ActCode", "code": "AMB"}},
        period={"start": "2026-01-09T09:00:00-07:00", "end": "2026-01-09T09:30:00-07:00"})


def patient(name):
    put(PRACTICE, "Patient", f"pt-{name}", name=[{"family": f"Cedar-{name}"}])


def coverage(name, payer, order):
    id = f"cov-{name}-{payer}"
    put(PRACTICE, "Coverage", id, status="active", beneficiary=ref(f"Patient/pt-{name}"),
        payor=[ref(f"Organization/{payer}")], order=order)
    return id


def claim(id, episode, service, created, payer, lines, *, use="claim", currency="USD", frequency=None,
          prior=None, answer=None, order=1, provider="dr-oak"):
    cov = f"cov-{episode}-{payer}"
    at = created if "T" in created else f"{created}T10:00:00-07:00"
    insurance = {"sequence": 1, "focal": True, "coverage": ref(f"Coverage/{cov}")}
    if answer:
        insurance["claimResponse"] = ref(f"ClaimResponse/{answer}")
    body = dict(
        identifier=[{"system": "https://cedar.example/claims", "value": id}],
        status="active", type=coding(f"{HL7}/claim-type", "professional"), use=use,
        patient=ref(f"Patient/pt-{episode}"), created=at, provider=ref("Organization/cedar-clinic"),
        insurer=ref(f"Organization/{payer}"), facility=ref("Location/cedar-main"),
        priority=coding(f"{HL7}/processpriority", "normal"),
        careTeam=[{"sequence": 1, "provider": ref(f"Practitioner/{provider}"), "role": coding(
            "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBClaimCareTeamRole", "rendering")}],
        insurance=[insurance],
        item=[{"sequence": n, "productOrService": coding("http://www.ama-assn.org/go/cpt", f"{episode}-{n}"),
               "servicedDate": service, "quantity": {"value": 1}, "net": money(net, currency)}
              for n, net in enumerate(lines, 1)],
        total=money(str(sum(map(Decimal, lines))), currency))
    if frequency:
        body["supportingInfo"] = [{"sequence": 1,
            "category": coding(f"{BASE}/CodeSystem/rcm-supporting-info", "claim-frequency"),
            "code": coding(f"{BASE}/CodeSystem/rcm-claim-frequency", frequency)}]
    if prior:
        body["related"] = [{"claim": ref(f"Claim/{prior}"),
                            "relationship": coding(f"{HL7}/ex-relatedclaimrelationship", "prior")}]
    put(stretch(at[:10]), "Claim", id, **body)


def adjudication(paid, adjustments, allowed):
    rows = [{"category": coding(f"{HL7}/adjudication", "benefit"), "amount": money(paid)}]
    if allowed is not None:
        rows.append({"category": coding(f"{HL7}/adjudication", "eligible"), "amount": money(allowed)})
    for group, carc, amount in adjustments:
        rows.append({"category": coding(f"{X12}/claim-adjustment-group-codes", group),
                     "reason": coding(f"{X12}/claim-adjustment-reason-codes", carc),
                     "amount": money(amount)})
    return rows


def response(id, claim, episode, day, payer, lines, *, status="1", outcome="complete", remark=None):
    """Lines are (paid, [(group, CARC, amount)…], allowed)."""
    body = dict(
        extension=[{"url": f"{BASE}/StructureDefinition/rcm-claim-status-code", "valueCode": status}],
        status="active", type=coding(f"{HL7}/claim-type", "professional"), use="claim",
        patient=ref(f"Patient/pt-{episode}"), created=f"{day}T08:00:00-07:00",
        insurer=ref(f"Organization/{payer}"), request=ref(f"Claim/{claim}"), outcome=outcome)
    if lines:
        body["item"] = [{"itemSequence": n, "adjudication": adjudication(*line)}
                        for n, line in enumerate(lines, 1)]
        paid = sum(Decimal(line[0]) for line in lines)
        body["payment"] = {"type": coding(f"{HL7}/ex-paymenttype", "complete"), "amount": money(str(paid))}
    if remark:
        body["item"][0]["adjudication"].append(
            {"category": coding(f"{X12}/remittance-advice-remark-codes", "remark"),
             "reason": coding(f"{X12}/remittance-advice-remark-codes", remark)})
    put(stretch(day), "ClaimResponse", id, **body)


def rejection(id, claim, episode, day, payer, code):
    put(stretch(day), "ClaimResponse", id, status="active", type=coding(f"{HL7}/claim-type", "professional"),
        use="claim", patient=ref(f"Patient/pt-{episode}"), created=f"{day}T08:00:00-07:00",
        insurer=ref(f"Organization/{payer}"), request=ref(f"Claim/{claim}"), outcome="error",
        error=[{"code": coding(f"{X12}/health-care-claim-status-category-codes", code)}])


def remittance(id, day, payer, details, adjustments=()):
    """Details are (claim, response, amount)."""
    lines = [{"type": coding(f"{HL7}/payment-type", "payment"), "request": ref(f"Claim/{claim}"),
              "response": ref(f"ClaimResponse/{answer}"), "amount": money(amount)}
             for claim, answer, amount in details]
    for reason, amount in adjustments:
        kind = coding(f"{HL7}/payment-type", "adjustment")
        kind["coding"].append({"system": f"{X12}/provider-adjustment-reason-codes", "code": reason})
        lines.append({"type": kind, "amount": money(amount)})
    total = sum((line["amount"]["value"] for line in lines), Decimal(0))
    put(stretch(day), "PaymentReconciliation", id, status="active", created=f"{day}T08:00:00-07:00",
        paymentIssuer=ref(f"Organization/{payer}"), paymentDate=day, paymentAmount=money(str(total)),
        paymentIdentifier={"system": "https://cedar.example/traces", "value": f"TRN-{id}"}, detail=lines)


def paid_by_patient(id, day, episode, request, amount):
    issuer = "http://hl7.org/fhir/5.0/StructureDefinition/extension-PaymentReconciliation.paymentIssuer"
    put(stretch(day), "PaymentReconciliation", id,
        extension=[{"url": issuer, "valueReference": ref(f"Patient/pt-{episode}")}],
        status="active", created=f"{day}T12:00:00-07:00", paymentDate=day, paymentAmount=money(amount),
        detail=[{"type": coding(f"{HL7}/payment-type", "payment"), "request": ref(request),
                 "amount": money(amount)}])


def written_off(id, day, reason, request, amount):
    kind = coding(f"{HL7}/payment-type", "adjustment")
    kind["coding"].append({"system": f"{BASE}/CodeSystem/rcm-adjustment", "code": reason})
    put(stretch(day), "PaymentReconciliation", id, status="active", created=f"{day}T12:00:00-07:00",
        paymentDate=day, paymentAmount=money("0.00"),
        detail=[{"type": kind, "request": ref(request), "amount": money(amount)}])


def work():
    for name, payer in [("E1", "P2"), ("E2", "P2"), ("E3", "P1"), ("E4", "P2"), ("E5", "P1"), ("E6", "P2"),
                        ("E7", "P1"), ("E8", "P2"), ("E9", "P1"), ("E10", "P2"), ("O1", "P1"), ("O2", "P2"),
                        ("N1", "P2"), ("N2", "P1"), ("X1", "P2"), ("PA1", "P1")]:
        patient(name)
        coverage(name, payer, 1)
    patient("s1")
    coverage("E3", "P3", 2)

    claim("C1", "E1", "2026-01-05", "2026-01-07", "P2", ["200.00"])
    response("R1", "C1", "E1", "2026-01-21", "P2",
             [("120.00", [("CO", "45", "50.00"), ("PR", "2", "30.00")], "150.00")])
    remittance("era-0121", "2026-01-21", "P2", [("C1", "R1", "120.00")])
    paid_by_patient("pay-e1-1", "2026-02-10", "E1", "Claim/C1", "30.00")
    paid_by_patient("pay-e1-2", "2026-03-05", "E1", "Claim/C1", "30.00")

    claim("C2", "E2", "2026-01-06", "2026-01-08", "P2", ["300.00"], provider="dr-elm")
    response("R2", "C2", "E2", "2026-01-23", "P2", [("0.00", [("CO", "197", "300.00")], None)])
    put(LATER, "Task", "appeal-e2", status="completed", intent="order",
        code=coding(f"{BASE}/CodeSystem/rcm-task", "appeal"), focus=ref("Claim/C2"),
        authoredOn="2026-02-02T09:00:00-07:00", executionPeriod={"end": "2026-03-02T08:00:00-07:00"},
        businessStatus=coding(f"{BASE}/CodeSystem/rcm-appeal-status", "overturned"))
    response("R2v", "C2", "E2", "2026-03-02", "P2", [("0.00", [("CO", "197", "-300.00")], None)], status="22")
    response("R2c", "C2", "E2", "2026-03-02", "P2", [("220.00", [("CO", "45", "80.00")], "220.00")])
    remittance("era-0302", "2026-03-02", "P2", [("C2", "R2v", "0.00"), ("C2", "R2c", "220.00")])

    claim("C3", "E3", "2026-01-07", "2026-01-09", "P1", ["300.00", "200.00"])
    response("R3", "C3", "E3", "2026-01-24", "P1",
             [("200.00", [("CO", "45", "60.00"), ("PR", "1", "40.00")], "240.00"),
              ("0.00", [("CO", "50", "200.00")], None)], status="19")
    remittance("era-0124", "2026-01-24", "P1", [("C3", "R3", "200.00")])
    claim("C3s", "E3", "2026-01-07", "2026-01-26", "P3", ["300.00", "200.00"], answer="R3", order=2)
    response("R3s", "C3s", "E3", "2026-02-12", "P3",
             [("40.00", [("OA", "23", "260.00")], None), ("0.00", [("OA", "23", "200.00")], None)], status="2")
    remittance("era-0212", "2026-02-12", "P3", [("C3s", "R3s", "40.00")])
    written_off("wo-e3", "2026-03-20", "denial-write-off", "Claim/C3", "200.00")

    claim("C4", "E4", "2026-01-08", "2026-01-20", "P2", ["150.00"])
    rejection("R4", "C4", "E4", "2026-01-21", "P2", "A7")
    claim("C4b", "E4", "2026-01-08", "2026-01-23", "P2", ["150.00"], prior="C4")
    response("R4b", "C4b", "E4", "2026-02-06", "P2",
             [("100.00", [("CO", "45", "30.00"), ("PR", "3", "20.00")], "120.00")])
    remittance("era-0206", "2026-02-06", "P2", [("C4b", "R4b", "100.00")], [("WO", "-25.00")])
    paid_by_patient("copay-e4", "2026-01-08", "E4", "Claim/C4", "20.00")

    claim("C5", "E5", "2026-01-12", "2026-01-14", "P1", ["400.00"])
    response("R5", "C5", "E5", "2026-01-30", "P1", [("0.00", [("CO", "16", "400.00")], None)], remark="M76")
    claim("C5r", "E5", "2026-01-12", "2026-02-05", "P1", ["420.00"], frequency="7", prior="C5")
    response("R5r", "C5r", "E5", "2026-02-20", "P1",
             [("256.00", [("CO", "45", "100.00"), ("PR", "2", "64.00")], "320.00")])
    remittance("era-0220", "2026-02-20", "P1", [("C5r", "R5r", "256.00")])

    claim("C6", "E6", "2026-01-13", "2026-01-15", "P2", ["250.00"])
    claim("C6v", "E6", "2026-01-13", "2026-01-19", "P2", ["250.00"], frequency="8", prior="C6")

    claim("C7", "E7", "2026-01-15", "2026-01-16", "P1", ["0.00"])
    response("R7", "C7", "E7", "2026-01-31", "P1", [("0.00", [], None)])

    claim("C8", "E8", "2026-01-20", "2026-01-22", "P2", ["600.00"], provider="dr-elm")
    response("R8", "C8", "E8", "2026-02-08", "P2",
             [("350.00", [("CO", "45", "150.00"), ("PR", "1", "100.00")], "450.00")])
    remittance("era-0208", "2026-02-08", "P2", [("C8", "R8", "350.00")])

    claim("C9", "E9", "2026-01-26", "2026-01-28", "P1", ["800.00"], provider="dr-elm")

    claim("C10", "E10", "2026-01-30", "2026-01-31T23:30:00-07:00", "P2", ["180.00"])
    response("R10", "C10", "E10", "2026-02-18", "P2", [("0.00", [("CO", "96", "180.00")], None)], remark="N130")
    written_off("wo-e10", "2026-03-15", "denial-write-off", "Claim/C10", "180.00")

    put(PRACTICE, "Coverage", "cov-s1", status="active", beneficiary=ref("Patient/pt-s1"),
        type=coding(f"{HL7}/coverage-selfpay", "pay"), payor=[ref("Patient/pt-s1")])
    put(PRACTICE, "Account", "acc-s1", status="active", subject=[ref("Patient/pt-s1")],
        coverage=[{"coverage": ref("Coverage/cov-s1")}])
    put(JANUARY, "ChargeItem", "charge-s1", status="billable", code=coding("http://www.ama-assn.org/go/cpt", "S1-1"),
        subject=ref("Patient/pt-s1"), context=ref("Encounter/visit-s1"), occurrenceDateTime="2026-01-09",
        priceOverride=money("100.00"), account=[ref("Account/acc-s1")])
    paid_by_patient("pay-s1", "2026-01-09", "s1", "Encounter/visit-s1", "60.00")
    written_off("bad-debt-s1", "2026-03-30", "bad-debt", "Encounter/visit-s1", "40.00")

    claim("CO1", "O1", "2025-10-15", "2025-10-17", "P1", ["1000.00"])
    claim("CO2", "O2", "2025-12-20", "2025-12-22", "P2", ["500.00"])
    claim("CN1", "N1", "2026-03-16", "2026-03-18", "P2", ["220.00"])
    claim("CN2", "N2", "2026-02-20", "2026-02-24", "P1", ["330.00"])
    claim("CX1", "X1", "2026-01-21", "2026-01-22", "P2", ["90.00"], currency="CAD")
    claim("CPA1", "PA1", "2026-01-10", "2026-01-10", "P1", ["900.00"], use="preauthorization")




def text(value, depth=0):
    """JSON with decimals as they are written."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(k)}: {text(v)}" for k, v in value.items())
        return "{" + inner + "}"
    if isinstance(value, list):
        return "[" + ", ".join(text(v) for v in value) + "]"
    return json.dumps(value)


def write(name, resources):
    entries = ",\n".join(
        '{"resource": %s,\n "request": {"method": "PUT", "url": "%s/%s"}}'
        % (text(r), r["resourceType"], r["id"]) for r in resources)
    with open(name, "w") as out:
        out.write('{"resourceType": "Bundle", "type": "transaction", "entry": [\n%s\n]}\n' % entries)


practice()
work()
write("practice.json", PRACTICE)
write("january.json", JANUARY)
write("later.json", LATER)
