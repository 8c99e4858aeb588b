//! The packet of an appeal: Task, Communication in preparation, and the letter as a DocumentReference.

use super::appeal::{Case, Request};
use crate::edi::denial::{URGENT_DAYS, money, open_work, reason, with_cents};
use crate::edi::find::identifiers;
use crate::edi::identity;
use crate::edi::record::{own_code, reference, type_of};
use crate::edi::task::add;
use crate::rcm::BASE;
use crate::rest::{Answer, Context, Draft};
use bytes::Bytes;
use remit_fhir::{Error, Result, base64, date};
use remit_store::Written;
use serde_json::{Value, json};

/// The input of a Task with the number of a line.
const LINE: &str = "line";

/// What will be written; the first three are the answer.
pub(super) struct Packet {
    pub(super) drafts: Vec<Draft>,
}

impl Packet {
    pub(super) async fn of(cx: &Context<'_>, case: &Case<'_>, request: &Request) -> Result<Packet> {
        let count = case.appeals.to_string();
        let id = |what: &str| identity::id(what, &[&case.claim.reference, &count]);
        let (task, letter) =
            (reference("Task", &id("appeal")), reference("DocumentReference", &id("appeal-letter")));
        let mut drafts = Vec::new();
        for (what, resource) in [
            ("appeal", self::task(case, request, &letter)),
            ("appeal-communication", communication(case, request, &task, &letter)),
            ("appeal-letter", document(case, request)),
        ] {
            drafts.push(created(cx, id(what), resource)?);
        }
        for work in open_work(cx, [case.claim.reference.as_str()]).await? {
            if work.resource["basedOn"][0]["reference"] != case.response.reference.as_str() {
                continue;
            }
            let mut resource = work.resource.clone();
            resource["status"] = json!("completed");
            resource["statusReason"] = json!({ "text": "Appealed." });
            add(&mut resource, "output", "appeal", ("valueReference", json!({ "reference": task })));
            let text = Bytes::from(serde_json::to_vec(&resource).map_err(Error::internal)?);
            let (ty, id) = (work.stored.ty, work.stored.id.clone());
            drafts.push(Draft { ty, id, before: Some(work.stored), text });
        }
        Ok(Packet { drafts })
    }

    /// A Bundle with Task, Communication and DocumentReference.
    pub(super) fn answer(&self, cx: &Context<'_>, written: &[Written]) -> Answer {
        let mut text = br#"{"resourceType":"Bundle","type":"collection","entry":["#.to_vec();
        for (n, (draft, one)) in self.drafts.iter().zip(written).take(3).enumerate() {
            if n > 0 {
                text.push(b',');
            }
            let url = json!(format!("{}/{}/{}", cx.base, cx.defs.name(draft.ty), draft.id));
            text.extend(format!("{{\"fullUrl\":{url},\"resource\":").bytes());
            text.extend(one.body.as_deref().unwrap_or(&draft.text));
            text.push(b'}');
        }
        text.extend(b"]}");
        Answer::of(Bytes::from(text))
    }
}

/// A resource that must not be there yet.
pub(super) fn created(cx: &Context<'_>, id: String, mut resource: Value) -> Result<Draft> {
    let ty = type_of(cx, resource["resourceType"].as_str().unwrap_or_default())?;
    resource["id"] = json!(id);
    let text = Bytes::from(serde_json::to_vec(&resource).map_err(Error::internal)?);
    Ok(Draft { ty, id, before: None, text })
}

/// Copies an element where it is there.
fn copy(from: &Value, name: &str, to: &mut Value, place: &str) {
    if !from[name].is_null() {
        to[place] = from[name].clone();
    }
}

fn task(case: &Case<'_>, request: &Request, letter: &str) -> Value {
    let claim = &case.claim.resource;
    let is_urgent = case.days_left().is_some_and(|days| days < URGENT_DAYS);
    let mut task = json!({
        "resourceType": "Task",
        "extension": [{ "url": format!("{BASE}/StructureDefinition/rcm-amount"),
            "valueMoney": money(case.denial.amount(), &case.denial.currency) }],
        "basedOn": [{ "reference": case.response.reference }],
        "status": "requested",
        "intent": "order",
        "priority": if is_urgent { "urgent" } else { "routine" },
        "code": own_code("rcm-task", "appeal"),
        "focus": { "reference": case.claim.reference },
        "authoredOn": date::instant(case.now),
        "lastModified": date::instant(case.now),
        "reasonCode": reason(&case.denial),
        "restriction": { "period": { "start": case.notice } },
    });
    copy(claim, "patient", &mut task, "for");
    copy(claim, "provider", &mut task, "requester");
    for line in &case.denial.lines {
        if line.line > 0 {
            add(&mut task, "input", LINE, ("valueInteger", json!(line.line)));
        }
    }
    if let Some(level) = &request.level {
        add(&mut task, "input", "level", ("valueCode", json!(level)));
    }
    if let Some((day, contract)) = &case.limit {
        task["restriction"]["period"]["end"] = json!(day.max(&case.today));
        add(&mut task, "input", "last day", ("valueDate", json!(day)));
        add(&mut task, "input", "contract", ("valueReference", json!({ "reference": contract })));
    }
    if let Some(reason) = &request.reason {
        add(&mut task, "input", "override", ("valueString", json!(reason)));
    }
    for document in std::iter::once(letter).chain(request.documents.iter().map(String::as_str)) {
        add(&mut task, "input", "document", ("valueReference", json!({ "reference": document })));
    }
    task
}

fn communication(case: &Case<'_>, request: &Request, task: &str, letter: &str) -> Value {
    let claim = &case.claim.resource;
    let mut payload: Vec<Value> =
        request.narrative.iter().map(|text| json!({ "contentString": text })).collect();
    let documents = std::iter::once(letter).chain(request.documents.iter().map(String::as_str));
    payload.extend(documents.map(|one| json!({ "contentReference": { "reference": one } })));
    let mut communication = json!({
        "resourceType": "Communication",
        "basedOn": [{ "reference": task }],
        "status": "preparation",
        "category": [own_code("rcm-communication", "appeal")],
        "about": [{ "reference": case.claim.reference }, { "reference": case.response.reference }],
        "reasonCode": [reason(&case.denial)],
        "payload": payload,
    });
    copy(claim, "patient", &mut communication, "subject");
    copy(claim, "provider", &mut communication, "sender");
    let insurer = [&claim["insurer"], &case.response.resource["insurer"]];
    if let Some(insurer) = insurer.into_iter().find(|one| one.is_object()) {
        communication["recipient"] = json!([insurer]);
    }
    communication
}

fn document(case: &Case<'_>, request: &Request) -> Value {
    let mut document = json!({
        "resourceType": "DocumentReference",
        "status": "current",
        "docStatus": "preliminary",
        "type": own_code("rcm-document", "appeal-letter"),
        "date": date::instant(case.now),
        "content": [{ "attachment": {
            "contentType": "text/plain; charset=utf-8",
            "title": "Appeal",
            "data": base64::encode(letter(case, request).as_bytes()),
            "creation": case.today,
        } }],
        "context": { "related": [{ "reference": case.claim.reference }, { "reference": case.response.reference }] },
    });
    copy(&case.claim.resource, "patient", &mut document, "subject");
    document
}

/// The letter: which decision is appealed, what it denied, and why that is wrong.
fn letter(case: &Case<'_>, request: &Request) -> String {
    let mut lines = vec![format!("Appeal of {}", case.today)];
    if let Some(level) = &request.level {
        lines.push(format!("Level: {level}"));
    }
    lines.extend(identifiers(&case.claim.resource).map(|number| format!("Claim: {number}")));
    lines.extend(identifiers(&case.response.resource).map(|number| format!("Your claim number: {number}")));
    lines.push(format!("Your decision of {}", case.notice));
    for line in &case.denial.lines {
        let place = if line.line > 0 { format!("line {}", line.line) } else { "the claim".to_owned() };
        let (amount, currency) = (with_cents(line.amount), &case.denial.currency);
        lines.push(format!("Denied on {place}: {amount} {currency} ({})", line.reasons.join(", ")));
    }
    if let Some(reason) = &request.reason {
        lines.push(format!("Reason for the delay: {reason}"));
    }
    if let Some(narrative) = &request.narrative {
        lines.push(String::new());
        lines.push(narrative.clone());
    }
    lines.join("\n") + "\n"
}
