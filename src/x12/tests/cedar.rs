//! A small practice, Cedar Clinic: its payers' remittances balance to the cent, and its claims are
//! correct in every guide.

use std::sync::Arc;

use super::{each_tree, findings};
use crate::compose::{Address, Group, Interchange, LineEnd, Usage, write};
use crate::guide::Kind;
use crate::model::{
    Adjustment, Billing, Claim, ClaimGroup, ClaimSet, Code, Dated, Line, Party, Payment, ProviderAdjustment,
    Reference, Remittance, RemittanceClaim, Service, Subscriber, Trace,
};
use crate::{Date, Decimal, Delimiters, Level, Raw, Span};

fn money(text: &str) -> Decimal {
    crate::value::decimal(text.as_bytes()).expect("an amount")
}

fn day(text: &str) -> Date {
    Date::parse(text.as_bytes()).expect("a day")
}

/// Sets in an interchange.
fn file(functional: &str, version: &str, sets: Vec<Vec<Raw>>) -> Vec<u8> {
    let address = |id: &str| Address { qualifier: "ZZ".into(), id: id.into() };
    let group = Group {
        functional: functional.into(),
        sender: "P2".into(),
        receiver: "CEDAR".into(),
        control: 1,
        version: version.into(),
        sets,
    };
    let interchange = Interchange {
        sender: address("P2"),
        receiver: address("CEDAR"),
        date: "20260206".into(),
        time: "0200".into(),
        control: 1,
        usage: Usage::Test,
        delimiters: Delimiters::default(),
        line_end: LineEnd::Feed,
        acknowledgements: Vec::new(),
        groups: vec![group],
    };
    write(&interchange).expect("no delimiter in any value")
}

fn party(role: &str, name: &str, qualifier: &str, id: &str) -> Party {
    Party { entity: crate::model::Entity::Unsaid, ..Party::organization(role, name, qualifier, id) }
}

fn address() -> crate::model::Address {
    crate::model::Address {
        lines: vec!["12 CEDAR STREET".into()],
        city: "DENVER".into(),
        state: Some("CO".into()),
        postal_code: Some("80202".into()),
        ..Default::default()
    }
}

/// A claim's decision: charge, paid, reasons of the whole claim.
fn decided(
    id: &str,
    status: &str,
    charge: &str,
    paid: &str,
    reasons: &[(&str, &str, &str)],
) -> RemittanceClaim {
    let adjustments: Vec<Adjustment> = reasons
        .iter()
        .map(|(group, reason, amount)| Adjustment {
            group: (*group).into(),
            reason: (*reason).into(),
            amount: money(amount),
            quantity: None,
        })
        .collect();
    RemittanceClaim {
        group: Some(Arc::new(ClaimGroup { number: "1".into(), other: Vec::new() })),
        id: id.into(),
        status: status.into(),
        charge: money(charge),
        paid: money(paid),
        filing: Some("12".into()),
        payer_claim: Some(format!("P2{id}")),
        adjustments,
        parties: vec![Party::person("QC", "FERN", "ADA", "MI", "M100")],
        ..RemittanceClaim::default()
    }
}

fn remittance(date: &str, amount: &str, claims: Vec<RemittanceClaim>, taken: Option<&str>) -> Remittance {
    let adjustments = taken.map(|amount| ProviderAdjustment {
        provider: "1234567893".into(),
        year_end: Date::new(2025, 12, 31),
        reason: "WO".into(),
        reference: Some("OLD2025".into()),
        amount: money(amount),
    });
    let mut payer = party("PR", "SUMMIT HEALTH", "XV", "P2");
    payer.address = Some(address());
    payer.contacts = vec![crate::model::Contact {
        function: "BL".into(),
        name: Some("EDI".into()),
        numbers: vec![("TE".into(), "3035550199".into())],
    }];
    Remittance {
        version: "005010X221A1".into(),
        control: "0001".into(),
        payment: Payment {
            handling: "I".into(),
            amount: money(amount),
            direction: "C".into(),
            method: "CHK".into(),
            date: Some(day(date)),
            ..Payment::default()
        },
        trace: Trace {
            kind: "1".into(),
            number: format!("EFT{date}"),
            payer: Some("1512345678".into()),
            ..Trace::default()
        },
        produced: Some(day(date)),
        payer,
        payee: party("PE", "CEDAR CLINIC", "XX", "1234567893"),
        claims,
        adjustments: adjustments.into_iter().collect(),
        ..Remittance::default()
    }
}

fn check_remittance(remittance: &Remittance) -> Vec<crate::Finding> {
    let text = file("HP", "005010X221A1", vec![remittance.write()]);
    let mut read = None;
    each_tree(&text, |tree| read = Remittance::read(tree));
    assert_eq!(read.as_ref(), Some(remittance));
    findings(&text)
}

#[test]
fn a_takeback_lowers_the_payment_and_no_claim() {
    let claim = || decided("C4b", "1", "150", "100", &[("CO", "45", "30"), ("PR", "3", "20")]);
    let right = remittance("20260206", "75", vec![claim()], Some("25"));
    assert_eq!(check_remittance(&right), []);
    assert_eq!((right.claims_paid(), right.adjusted()), (money("100"), money("25")));
    for (amount, taken) in [("100", Some("25")), ("75", None), ("125", Some("25")), ("75.01", Some("25"))] {
        let wrong = remittance("20260206", amount, vec![claim()], taken);
        let codes: Vec<_> = check_remittance(&wrong).iter().map(|f| (f.level, f.code)).collect();
        assert_eq!(codes, [(Level::Balance, "balance-transaction")], "{amount}");
    }
}

#[test]
fn a_reversal_and_its_correction_balance_in_one_remittance() {
    let reversal = || decided("C2", "22", "-300", "0", &[("CO", "197", "-300")]);
    let correction = || decided("C2", "1", "300", "220", &[("CO", "45", "80")]);
    let right = remittance("20260302", "220", vec![reversal(), correction()], None);
    assert_eq!(check_remittance(&right), []);
    assert!(right.claims[0].is_reversal() && !right.claims[1].is_reversal());
    let turned = remittance("20260302", "220", vec![correction(), reversal()], None);
    let codes: Vec<_> = check_remittance(&turned).iter().map(|f| f.code).collect();
    assert_eq!(codes, ["reversal-order"]);
}

fn set(kind: Kind, version: &str) -> ClaimSet {
    let service = |code: &str| Service {
        qualifier: if kind == Kind::Dental { "AD" } else { "HC" }.into(),
        code: code.into(),
        ..Service::default()
    };
    let line = |number: &str, code: &str, charge: &str| Line {
        number: number.into(),
        service: service(code),
        revenue: (kind == Kind::Institutional).then(|| "0305".into()),
        charge: money(charge),
        unit: (kind != Kind::Dental).then(|| "UN".into()),
        quantity: Some(Decimal::ONE),
        pointers: if kind == Kind::Professional { vec!["1".into()] } else { Vec::new() },
        dates: vec![Dated::day("472", day("20260107"))],
        references: vec![Reference { qualifier: "6R".into(), value: format!("C3L{number}") }],
        ..Line::default()
    };
    let mut provider = Party::organization("85", "CEDAR CLINIC", "XX", "1234567893");
    provider.address = Some(address());
    provider.references = vec![Reference { qualifier: "EI".into(), value: "841234567".into() }];
    let mut subscriber = Party::person("IL", "FERN", "ADA", "MI", "M100");
    (subscriber.address, subscriber.birth_date) = (Some(address()), Some(day("19800214")));
    subscriber.gender = Some("F".into());
    let claim = Claim {
        billing: Arc::new(Billing { provider, ..Billing::default() }),
        subscriber: Arc::new(Subscriber {
            sequence: "P".into(),
            relationship: Some("18".into()),
            filing: Some("CI".into()),
            party: subscriber,
            payer: Party::organization("PR", "ALPINE MUTUAL", "PI", "P1"),
            ..Subscriber::default()
        }),
        id: "C3".into(),
        total: money("500"),
        facility_code: "11".into(),
        frequency: "1".into(),
        provider_signature: (kind != Kind::Institutional).then(|| "Y".into()),
        assignment: Some("A".into()),
        benefits_assignment: Some("Y".into()),
        release: Some("Y".into()),
        admission: (kind == Kind::Institutional).then(|| ["1".into(), String::new(), "01".into()]),
        dates: match kind {
            Kind::Institutional => {
                vec![Dated::span_of("434", Span { from: day("20260107"), to: Some(day("20260107")) })]
            }
            _ => Vec::new(),
        },
        codes: match kind {
            Kind::Dental => Vec::new(),
            _ => vec![vec![Code { qualifier: "ABK".into(), code: "J029".into(), ..Code::default() }]],
        },
        lines: vec![line("1", "D1110", "300"), line("2", "D2150", "200")],
        ..Claim::default()
    };
    let contact = crate::model::Contact {
        function: "IC".into(),
        name: Some("BILLING".into()),
        numbers: vec![("TE".into(), "3035550100".into())],
    };
    ClaimSet {
        kind,
        version: version.into(),
        control: "0001".into(),
        purpose: "00".into(),
        reference: "B3".into(),
        date: Some(day("20260109")),
        time: "0930".into(),
        use_code: "CH".into(),
        submitter: Party {
            contacts: vec![contact],
            ..Party::organization("41", "CEDAR CLINIC", "46", "CEDAR")
        },
        receiver: Party::organization("40", "ALPINE MUTUAL", "46", "P1"),
        claims: vec![claim],
        other: Vec::new(),
    }
}

#[test]
fn a_claim_is_written_correctly_in_every_guide() {
    for (kind, version) in [
        (Kind::Professional, "005010X222A1"),
        (Kind::Institutional, "005010X223A2"),
        (Kind::Dental, "005010X224A2"),
    ] {
        let set = set(kind, version);
        let text = file("HC", version, vec![set.write()]);
        assert_eq!(findings(&text), [], "{}", String::from_utf8_lossy(&text));
        let mut read = None;
        each_tree(&text, |tree| read = ClaimSet::read(tree));
        assert_eq!(read, Some(set));
    }
}

#[test]
fn claims_of_one_provider_and_subscriber_share_their_levels() {
    let mut set = set(Kind::Professional, "005010X222A1");
    let second = Claim { id: "C3s".into(), ..set.claims[0].clone() };
    let mut other = (*set.claims[0].subscriber).clone();
    other.sequence = "S".into();
    let third = Claim { id: "C9".into(), subscriber: Arc::new(other), ..set.claims[0].clone() };
    set.claims.extend([second, third]);
    let text = file("HC", "005010X222A1", vec![set.write()]);
    assert_eq!(findings(&text), []);
    let levels: Vec<_> =
        set.write().into_iter().filter(|raw| raw.id() == "HL").map(|raw| raw.to_string()).collect();
    assert_eq!(levels, ["HL*1**20*1", "HL*2*1*22*0", "HL*3*1*22*0"]);
}
