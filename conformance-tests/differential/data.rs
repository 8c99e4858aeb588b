//! Random resources with the values that search is hard on: partial dates and time zones, open periods,
//! units, implicit precision, accents, codes with and without system, references of every form.

use super::pool::{
    CODES, DATES, IDENTIFIER_TYPES, LATITUDES, LONGITUDES, NUMBERS, SYSTEMS, UNITS, URIS, WORDS,
};
use super::random::Random;
use serde_json::{Map, Value, json};

/// Types that are made, in the order of their making; what stands first is referred to most.
pub(crate) const TYPES: [&str; 15] = [
    "Organization",
    "Practitioner",
    "Patient",
    "Location",
    "Group",
    "Encounter",
    "Condition",
    "Observation",
    "RiskAssessment",
    "ChargeItem",
    "Invoice",
    "ServiceRequest",
    "MolecularSequence",
    "ValueSet",
    "List",
];

/// Makes resources.
pub(crate) struct Data<'r> {
    pub(crate) random: &'r mut Random,
    /// The address of the server.
    pub(crate) base: &'r str,
    /// How many resources of each type there are.
    pub(crate) count: usize,
}

/// A JSON number with its digits as written.
fn number(text: &str) -> Value {
    serde_json::from_str(text).expect("a number")
}

fn text(all: &[&str], random: &mut Random) -> Value {
    (*random.pick(all)).into()
}

type Members = Map<String, Value>;

impl Data<'_> {
    /// A resource of a type.
    pub(crate) fn resource(&mut self, ty: &str, id: &str) -> Value {
        let mut m = Members::new();
        m.insert("resourceType".into(), ty.into());
        m.insert("id".into(), id.into());
        self.maybe(&mut m, 40, "meta", Self::meta);
        match ty {
            "Patient" | "Practitioner" => self.person(&mut m, ty == "Patient"),
            "Organization" | "Location" => self.place(&mut m, ty == "Location"),
            "Observation" => self.observation(&mut m),
            "Encounter" => self.encounter(&mut m),
            "Condition" => self.condition(&mut m),
            "RiskAssessment" => self.risk(&mut m),
            "ChargeItem" | "Invoice" => self.charge(&mut m, ty == "Invoice"),
            "ServiceRequest" => self.request(&mut m),
            "MolecularSequence" => self.sequence(&mut m),
            "ValueSet" => self.value_set(&mut m),
            "Group" => self.group(&mut m),
            _ => self.list(&mut m),
        }
        Value::Object(m)
    }

    fn maybe(&mut self, m: &mut Members, chance: usize, name: &str, make: impl FnOnce(&mut Self) -> Value) {
        if self.random.percent(chance) {
            let value = make(self);
            m.insert(name.into(), value);
        }
    }

    fn many(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> Value) -> Value {
        let count = 1 + self.random.below(most);
        (0..count).map(|_| make(self)).collect()
    }

    fn meta(&mut self) -> Value {
        let mut m = Members::new();
        self.maybe(&mut m, 50, "profile", |d| d.many(2, Self::canonical));
        self.maybe(&mut m, 40, "tag", |d| d.many(2, Self::coding));
        self.maybe(&mut m, 20, "security", |d| d.many(1, Self::coding));
        self.maybe(&mut m, 30, "source", Self::uri);
        if m.is_empty() {
            m.insert("source".into(), "urn:a".into());
        }
        Value::Object(m)
    }

    fn uri(&mut self) -> Value {
        text(&URIS, self.random)
    }

    fn canonical(&mut self) -> Value {
        let url = *self.random.pick(&URIS);
        match self.random.percent(40) {
            true => format!("{url}|{}", self.random.pick(&["1", "1.0", "2"])).into(),
            false => url.into(),
        }
    }

    fn word(&mut self) -> Value {
        text(&WORDS, self.random)
    }

    fn date_time(&mut self) -> Value {
        text(&DATES, self.random)
    }

    fn date(&mut self) -> Value {
        text(&DATES[..12], self.random)
    }

    fn instant(&mut self) -> Value {
        text(&DATES[12..], self.random)
    }

    fn period(&mut self) -> Value {
        let mut m = Members::new();
        let early =
            ["2019", "2020-02", "2020-02-29", "2020-05-06T07:08:09+02:00", "1969-12-31T23:59:59.999999Z"];
        let late = ["2020-05-06T07:08:09Z", "2020-12-31", "2021-01-01", "2021", "9999-12-31"];
        self.maybe(&mut m, 75, "start", |d| text(&early, d.random));
        self.maybe(&mut m, 60, "end", |d| text(&late, d.random));
        if m.is_empty() {
            m.insert("start".into(), "2020-03".into());
        }
        Value::Object(m)
    }

    fn timing(&mut self) -> Value {
        let mut m = Members::new();
        self.maybe(&mut m, 70, "event", |d| d.many(3, Self::date_time));
        self.maybe(&mut m, 50, "repeat", |d| json!({"boundsPeriod": d.period(), "frequency": 1}));
        if m.is_empty() {
            return json!({"code": {"text": "daily"}});
        }
        Value::Object(m)
    }

    fn coding(&mut self) -> Value {
        let mut m = Members::new();
        self.maybe(&mut m, 70, "system", |d| text(&SYSTEMS, d.random));
        self.maybe(&mut m, 90, "code", |d| text(&CODES, d.random));
        self.maybe(&mut m, 40, "display", Self::word);
        if m.is_empty() {
            m.insert("code".into(), "a".into());
        }
        Value::Object(m)
    }

    fn concept(&mut self) -> Value {
        let mut m = Members::new();
        self.maybe(&mut m, 85, "coding", |d| d.many(2, Self::coding));
        self.maybe(&mut m, 40, "text", Self::word);
        if m.is_empty() {
            m.insert("text".into(), "nothing else".into());
        }
        Value::Object(m)
    }

    fn identifier(&mut self) -> Value {
        let mut m = Members::new();
        self.maybe(&mut m, 60, "type", |d| {
            let code = *d.random.pick(&["MR", "SS"]);
            let mut concept = json!({"coding": [{"system": IDENTIFIER_TYPES, "code": code}]});
            if d.random.percent(40) {
                concept["text"] = d.word();
            }
            concept
        });
        self.maybe(&mut m, 75, "system", |d| text(&SYSTEMS, d.random));
        self.maybe(&mut m, 90, "value", |d| text(&CODES, d.random));
        if m.is_empty() {
            m.insert("value".into(), "0".into());
        }
        Value::Object(m)
    }

    fn quantity(&mut self) -> Value {
        let mut m = Members::new();
        let (code, unit) = *self.random.pick(&UNITS);
        self.maybe(&mut m, 95, "value", |d| number(d.random.one(&NUMBERS)));
        self.maybe(&mut m, 15, "comparator", |d| text(&["<", "<=", ">", ">="], d.random));
        self.maybe(&mut m, 60, "unit", |_| unit.into());
        if self.random.percent(75) {
            m.insert("system".into(), self.random.one(&["http://unitsofmeasure.org", "urn:units"]).into());
            m.insert("code".into(), code.into());
        }
        if m.is_empty() {
            m.insert("value".into(), 1.into());
        }
        Value::Object(m)
    }

    /// Low and high are of one unit.
    fn range(&mut self, is_age: bool) -> Value {
        let unit = if is_age { "a" } else { "%" };
        let end = |n: &str| json!({"value": number(n), "system": "http://unitsofmeasure.org", "code": unit});
        let mut m = Members::new();
        self.maybe(&mut m, 70, "low", |d| end(d.random.one(&["0.1", "0.5", "1", "2"])));
        self.maybe(&mut m, 70, "high", |d| end(d.random.one(&["2", "5.4", "100", "100.0"])));
        if m.is_empty() {
            m.insert("low".into(), end("1"));
        }
        Value::Object(m)
    }

    fn age(&mut self) -> Value {
        let code = *self.random.pick(&["a", "mo", "d"]);
        json!({"value": number(self.random.one(&["1", "2", "12", "100", "0.5"])), "system": "http://unitsofmeasure.org", "code": code})
    }

    /// A reference to one of these types, in any form.
    fn reference(&mut self, types: &[&str]) -> Value {
        let (ty, id) = (*self.random.pick(types), self.random.below(self.count + 2));
        let mut m = Members::new();
        let to = match self.random.below(100) {
            0..60 => format!("{ty}/n{id}"),
            60..70 => format!("{}/{ty}/n{id}", self.base),
            70..75 => format!("{ty}/n{id}/_history/1"),
            75..83 => format!("http://elsewhere.org/fhir/{ty}/n{id}"),
            83..86 => "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0".to_owned(),
            _ => String::new(),
        };
        if !to.is_empty() {
            m.insert("reference".into(), to.into());
        }
        self.maybe(&mut m, 25, "type", |_| ty.into());
        let chance = if m.get("reference").is_none() { 70 } else { 15 };
        self.maybe(&mut m, chance, "identifier", Self::identifier);
        self.maybe(&mut m, 25, "display", Self::word);
        if m.is_empty() {
            m.insert("display".into(), "somebody".into());
        }
        Value::Object(m)
    }

    fn address(&mut self) -> Value {
        let mut m = Members::new();
        self.maybe(&mut m, 30, "text", Self::word);
        self.maybe(&mut m, 50, "line", |d| d.many(2, Self::word));
        self.maybe(&mut m, 60, "city", Self::word);
        self.maybe(&mut m, 30, "country", |d| text(&["US", "DE"], d.random));
        m.insert("use".into(), self.random.one(&["home", "work"]).into());
        Value::Object(m)
    }

    fn human_name(&mut self) -> Value {
        let mut m = Members::new();
        self.maybe(&mut m, 75, "family", Self::word);
        self.maybe(&mut m, 70, "given", |d| d.many(2, Self::word));
        self.maybe(&mut m, 20, "text", Self::word);
        m.insert("use".into(), "official".into());
        Value::Object(m)
    }

    fn contact(&mut self) -> Value {
        let system = *self.random.pick(&["phone", "email"]);
        json!({"system": system, "value": self.random.pick(&["555-1234", "a@b.org", "+49 30"])})
    }

    fn person(&mut self, m: &mut Members, is_patient: bool) {
        self.maybe(m, 75, "active", |d| d.random.percent(60).into());
        self.maybe(m, 80, "identifier", |d| d.many(2, Self::identifier));
        self.maybe(m, 85, "name", |d| d.many(2, Self::human_name));
        self.maybe(m, 75, "gender", |d| text(&["male", "female", "other"], d.random));
        self.maybe(m, 80, "birthDate", Self::date);
        self.maybe(m, 50, "address", |d| d.many(2, Self::address));
        self.maybe(m, 50, "telecom", |d| d.many(2, Self::contact));
        if !is_patient {
            return;
        }
        match self.random.below(4) {
            0 => _ = m.insert("deceasedBoolean".into(), self.random.percent(50).into()),
            1 => _ = m.insert("deceasedDateTime".into(), self.date_time()),
            _ => {}
        }
        self.maybe(m, 60, "generalPractitioner", |d| {
            d.many(2, |d| d.reference(&["Practitioner", "Organization"]))
        });
        self.maybe(m, 50, "managingOrganization", |d| d.reference(&["Organization"]));
        self.maybe(m, 40, "communication", |d| d.many(2, |d| json!({"language": d.concept()})));
        self.maybe(m, 20, "link", |d| json!([{"other": d.reference(&["Patient"]), "type": "seealso"}]));
    }

    fn place(&mut self, m: &mut Members, is_location: bool) {
        self.maybe(m, 85, "name", Self::word);
        self.maybe(m, 50, "alias", |d| d.many(2, Self::word));
        self.maybe(m, 60, "identifier", |d| d.many(2, Self::identifier));
        self.maybe(m, 50, "type", |d| d.many(2, Self::concept));
        let own = if is_location { "Location" } else { "Organization" };
        self.maybe(m, 50, "partOf", |d| d.reference(&[own]));
        match is_location {
            true => {
                self.maybe(m, 60, "address", Self::address);
                self.maybe(m, 70, "position", |d| {
                    let (latitude, longitude) = (d.random.one(&LATITUDES), d.random.one(&LONGITUDES));
                    json!({"latitude": number(latitude), "longitude": number(longitude)})
                });
            }
            false => self.maybe(m, 60, "address", |d| d.many(2, Self::address)),
        }
    }

    fn value(&mut self, m: &mut Members, chance: usize) {
        if !self.random.percent(chance) {
            return;
        }
        let (name, value) = match self.random.below(10) {
            0..5 => ("valueQuantity", self.quantity()),
            5 | 6 => ("valueCodeableConcept", self.concept()),
            7 => ("valueString", self.word()),
            8 => ("valueDateTime", self.date_time()),
            _ => ("valuePeriod", self.period()),
        };
        m.insert(name.into(), value);
    }

    fn observation(&mut self, m: &mut Members) {
        m.insert("status".into(), text(&["final", "amended", "preliminary"], self.random));
        m.insert("code".into(), self.concept());
        self.maybe(m, 50, "category", |d| d.many(2, Self::concept));
        self.maybe(m, 85, "subject", |d| d.reference(&["Patient", "Patient", "Group", "Location"]));
        self.maybe(m, 50, "encounter", |d| d.reference(&["Encounter"]));
        self.maybe(m, 50, "performer", |d| {
            d.many(2, |d| d.reference(&["Practitioner", "Organization", "Patient"]))
        });
        let effective = match self.random.below(5) {
            0 => Some(("effectiveDateTime", self.date_time())),
            1 => Some(("effectivePeriod", self.period())),
            2 => Some(("effectiveInstant", self.instant())),
            3 => Some(("effectiveTiming", self.timing())),
            _ => None,
        };
        m.extend(effective.map(|(name, value)| (name.to_owned(), value)));
        self.value(m, 75);
        self.maybe(m, 45, "component", |d| {
            d.many(3, |d| {
                let mut part = Members::new();
                part.insert("code".into(), d.concept());
                d.value(&mut part, 80);
                Value::Object(part)
            })
        });
        self.maybe(m, 20, "dataAbsentReason", Self::concept);
        self.maybe(m, 25, "hasMember", |d| d.many(2, |d| d.reference(&["Observation"])));
        self.maybe(m, 25, "focus", |d| d.many(2, |d| d.reference(&["Condition", "Patient", "ValueSet"])));
    }

    fn encounter(&mut self, m: &mut Members) {
        m.insert("status".into(), text(&["finished", "planned", "in-progress"], self.random));
        m.insert("class".into(), self.coding());
        self.maybe(m, 75, "period", Self::period);
        self.maybe(m, 50, "length", Self::age);
        self.maybe(m, 60, "type", |d| d.many(2, Self::concept));
        self.maybe(m, 50, "identifier", |d| d.many(2, Self::identifier));
        self.maybe(m, 80, "subject", |d| d.reference(&["Patient", "Group"]));
        self.maybe(m, 50, "participant", |d| {
            d.many(2, |d| json!({"individual": d.reference(&["Practitioner"])}))
        });
        self.maybe(m, 40, "diagnosis", |d| d.many(2, |d| json!({"condition": d.reference(&["Condition"])})));
        self.maybe(m, 40, "location", |d| {
            d.many(2, |d| json!({"location": d.reference(&["Location"]), "period": d.period()}))
        });
        self.maybe(m, 40, "serviceProvider", |d| d.reference(&["Organization"]));
        self.maybe(m, 30, "partOf", |d| d.reference(&["Encounter"]));
    }

    fn condition(&mut self, m: &mut Members) {
        m.insert("subject".into(), self.reference(&["Patient", "Group"]));
        self.maybe(m, 80, "code", Self::concept);
        self.maybe(m, 50, "clinicalStatus", Self::concept);
        self.maybe(m, 40, "bodySite", |d| d.many(2, Self::concept));
        self.maybe(m, 50, "encounter", |d| d.reference(&["Encounter"]));
        self.maybe(m, 50, "recordedDate", Self::date_time);
        self.maybe(m, 40, "asserter", |d| d.reference(&["Practitioner", "Patient"]));
        for name in ["onset", "abatement"] {
            let (suffix, value) = match self.random.below(6) {
                0 => ("DateTime", self.date_time()),
                1 => ("Period", self.period()),
                2 => ("Age", self.age()),
                3 => ("Range", self.range(true)),
                4 => ("String", self.word()),
                _ => continue,
            };
            m.insert(format!("{name}{suffix}"), value);
        }
    }

    fn risk(&mut self, m: &mut Members) {
        m.insert("status".into(), text(&["final", "amended"], self.random));
        m.insert("subject".into(), self.reference(&["Patient", "Group"]));
        self.maybe(m, 50, "occurrenceDateTime", Self::date_time);
        self.maybe(m, 50, "condition", |d| d.reference(&["Condition"]));
        self.maybe(m, 85, "prediction", |d| {
            d.many(2, |d| match d.random.below(3) {
                0 => json!({"probabilityRange": d.range(false), "qualitativeRisk": d.concept()}),
                1 => json!({"qualitativeRisk": d.concept()}),
                _ => json!({"probabilityDecimal": number(d.random.one(&NUMBERS))}),
            })
        });
    }

    fn charge(&mut self, m: &mut Members, is_invoice: bool) {
        let money = |d: &mut Self| {
            let mut money = json!({"value": number(d.random.one(&NUMBERS))});
            if d.random.percent(80) {
                money["currency"] = text(&["USD", "EUR"], d.random);
            }
            money
        };
        self.maybe(m, 50, "identifier", |d| d.many(2, Self::identifier));
        self.maybe(m, 80, "subject", |d| d.reference(&["Patient", "Group"]));
        if is_invoice {
            m.insert("status".into(), text(&["issued", "balanced"], self.random));
            self.maybe(m, 80, "totalNet", money);
            self.maybe(m, 60, "totalGross", money);
            self.maybe(m, 60, "date", Self::date_time);
            return self.maybe(m, 50, "issuer", |d| d.reference(&["Organization"]));
        }
        m.insert("status".into(), "billable".into());
        m.insert("code".into(), self.concept());
        if m.get("subject").is_none() {
            m.insert("subject".into(), self.reference(&["Patient"]));
        }
        self.maybe(m, 80, "factorOverride", |d| number(d.random.one(&NUMBERS)));
        self.maybe(m, 70, "quantity", Self::quantity);
        self.maybe(m, 50, "priceOverride", money);
        match self.random.below(4) {
            0 => _ = m.insert("occurrenceDateTime".into(), self.date_time()),
            1 => _ = m.insert("occurrencePeriod".into(), self.period()),
            2 => _ = m.insert("occurrenceTiming".into(), self.timing()),
            _ => {}
        }
    }

    fn request(&mut self, m: &mut Members) {
        m.insert("status".into(), text(&["active", "completed"], self.random));
        m.insert("intent".into(), text(&["order", "plan"], self.random));
        m.insert("subject".into(), self.reference(&["Patient", "Group", "Location"]));
        self.maybe(m, 60, "instantiatesCanonical", |d| d.many(2, Self::canonical));
        self.maybe(m, 60, "instantiatesUri", |d| d.many(2, Self::uri));
        self.maybe(m, 60, "occurrenceTiming", Self::timing);
        self.maybe(m, 60, "code", Self::concept);
        self.maybe(m, 40, "requester", |d| d.reference(&["Practitioner", "Organization", "Patient"]));
        self.maybe(m, 30, "basedOn", |d| d.many(2, |d| d.reference(&["ServiceRequest"])));
    }

    fn sequence(&mut self, m: &mut Members) {
        m.insert("coordinateSystem".into(), 0.into());
        let place = |d: &mut Self| Value::from(d.random.below(4) * 50);
        self.maybe(m, 80, "referenceSeq", |d| {
            let mut seq = Members::new();
            d.maybe(&mut seq, 70, "referenceSeqId", Self::concept);
            d.maybe(&mut seq, 70, "chromosome", Self::concept);
            d.maybe(&mut seq, 80, "windowStart", place);
            d.maybe(&mut seq, 80, "windowEnd", place);
            seq.insert("strand".into(), "watson".into());
            Value::Object(seq)
        });
        self.maybe(m, 70, "variant", |d| d.many(2, |d| json!({"start": place(d), "end": place(d)})));
        self.maybe(m, 70, "patient", |d| d.reference(&["Patient"]));
        self.maybe(m, 50, "identifier", |d| d.many(2, Self::identifier));
    }

    fn value_set(&mut self, m: &mut Members) {
        m.insert("status".into(), text(&["active", "draft"], self.random));
        self.maybe(m, 80, "url", Self::uri);
        self.maybe(m, 70, "version", |d| text(&["1.0-Beta", "1.0-beta", "2"], d.random));
        self.maybe(m, 60, "title", Self::word);
        self.maybe(m, 60, "date", Self::date_time);
        self.maybe(m, 60, "identifier", |d| d.many(2, Self::identifier));
        self.maybe(m, 60, "compose", |d| json!({"include": d.many(2, |d| json!({"system": d.uri()}))}));
        self.maybe(m, 60, "useContext", |d| {
            d.many(2, |d| {
                let (name, value) = match d.random.below(3) {
                    0 => ("valueCodeableConcept", d.concept()),
                    1 => ("valueQuantity", d.quantity()),
                    _ => ("valueRange", d.range(true)),
                };
                let mut context = json!({"code": d.coding()});
                context[name] = value;
                context
            })
        });
    }

    fn group(&mut self, m: &mut Members) {
        m.insert("type".into(), text(&["person", "device"], self.random));
        m.insert("actual".into(), self.random.percent(50).into());
        self.maybe(m, 50, "member", |d| {
            d.many(3, |d| json!({"entity": d.reference(&["Patient", "Practitioner"])}))
        });
        self.maybe(m, 70, "characteristic", |d| {
            d.many(3, |d| {
                let mut one = json!({"code": d.concept(), "exclude": d.random.percent(50)});
                match d.random.below(3) {
                    0 => one["valueBoolean"] = d.random.percent(50).into(),
                    1 => one["valueQuantity"] = d.quantity(),
                    _ => one["valueCodeableConcept"] = d.concept(),
                }
                one
            })
        });
    }

    fn list(&mut self, m: &mut Members) {
        m.insert("status".into(), "current".into());
        m.insert("mode".into(), "working".into());
        self.maybe(m, 60, "code", Self::concept);
        self.maybe(m, 60, "date", Self::date_time);
        self.maybe(m, 80, "entry", |d| {
            d.many(5, |d| json!({"item": d.reference(&["Patient", "Observation", "Condition", "Encounter"])}))
        });
    }
}
