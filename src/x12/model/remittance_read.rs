//! Remittances from the loops of an 835.

use std::sync::Arc;

use crate::guide::Kind;
use crate::model::common::{Adjustment, Amount, Dated, Number, Reference, Service, maybe, money};
use crate::model::own::Own;
use crate::model::party::{Contact, Party};
use crate::model::remittance::{
    Account, ClaimGroup, Payment, ProviderAdjustment, Remark, Remittance, RemittanceClaim, RemittanceLine,
    Trace,
};
use crate::raw::Raw;
use crate::tree::{Loop, Tree};
use crate::value::Date;

impl Remittance {
    /// The remittance of a tree; `None` when it is no 835.
    pub fn read(tree: &Tree<'_, '_>) -> Option<Remittance> {
        if tree.guide.kind != Kind::Remittance {
            return None;
        }
        let root = tree.root();
        let mut own = Own::of(&root);
        let st = own.take("ST").unwrap_or_default();
        own.take("SE");
        let party = |id: &'static str| root.find(id).map(|l| Party::read(&l)).unwrap_or_default();
        let produced = own.take_all("DTM", |raw| {
            let is_plain = raw.len() == 2 && raw.element(1) == "405";
            is_plain.then(|| Date::parse(raw.element(2).as_bytes())).flatten()
        });
        let currency = own.take_all("CUR", |raw| {
            (raw.len() == 2 && raw.element(1) == "PR").then(|| raw.element(2).to_owned())
        });
        let adjustments = own.take_all("PLB", ProviderAdjustment::read).into_iter().flatten().collect();
        Some(Remittance {
            version: st.option(3).unwrap_or_else(|| tree.guide.id.to_owned()),
            control: st.element(2).into(),
            payment: Payment::read(&own.take("BPR").unwrap_or_default()),
            trace: Trace::read(&own.take("TRN").unwrap_or_default()),
            currency: currency.into_iter().next(),
            references: own.take_all("REF", Reference::read),
            produced: produced.into_iter().next(),
            payer: party("1000A"),
            payee: party("1000B"),
            claims: claims(&root),
            adjustments,
            other: own.rest(),
        })
    }
}

/// Claims below LX, and those that a payer sends without it.
fn claims(root: &Loop<'_, '_, '_>) -> Vec<RemittanceClaim> {
    let mut claims = Vec::new();
    for header in root.loops("2000") {
        let mut own = Own::of(&header);
        let number = own.take("LX").unwrap_or_default().element(1).to_owned();
        let group = Arc::new(ClaimGroup { number, other: own.rest() });
        for inner in header.loops("2100") {
            claims.push(RemittanceClaim { group: Some(group.clone()), ..RemittanceClaim::read(&inner) });
        }
    }
    claims
}

impl Payment {
    fn read(bpr: &Raw) -> Payment {
        Payment {
            handling: bpr.element(1).into(),
            amount: money(bpr, 2),
            direction: bpr.element(3).into(),
            method: bpr.element(4).into(),
            format: bpr.option(5),
            sender: account(bpr, 6),
            originator: bpr.option(10),
            originator_code: bpr.option(11),
            receiver: account(bpr, 12),
            date: Date::parse(bpr.element(16).as_bytes()),
        }
    }
}

fn account(bpr: &Raw, first: usize) -> Option<Account> {
    let [bank_qualifier, bank, qualifier, number] = [0, 1, 2, 3].map(|n| bpr.element(first + n).to_owned());
    let account = Account { bank_qualifier, bank, qualifier, number };
    (account != Account::default()).then_some(account)
}

impl Trace {
    fn read(trn: &Raw) -> Trace {
        Trace {
            kind: trn.element(1).into(),
            number: trn.element(2).into(),
            payer: trn.option(3),
            subdivision: trn.option(4),
        }
    }
}

impl RemittanceClaim {
    /// Loop 2100 without what stands around it.
    pub(crate) fn read(inside: &Loop<'_, '_, '_>) -> RemittanceClaim {
        let mut own = Own::of(inside);
        let clp = own.take("CLP").unwrap_or_default();
        RemittanceClaim {
            group: None,
            id: clp.element(1).into(),
            status: clp.element(2).into(),
            charge: money(&clp, 3),
            paid: money(&clp, 4),
            patient_share: maybe(&clp, 5),
            filing: clp.option(6),
            payer_claim: clp.option(7),
            facility_code: clp.option(8),
            frequency: clp.option(9),
            drg: clp.option(11),
            drg_weight: maybe(&clp, 12),
            discharge_fraction: maybe(&clp, 13),
            adjustments: own.take_all("CAS", Adjustment::read).into_iter().flatten().collect(),
            parties: own.take_all("NM1", |raw| Some(Party::name(raw))),
            inpatient: own.take("MIA"),
            outpatient: own.take("MOA"),
            references: own.take_all("REF", Reference::read),
            dates: own.take_all("DTM", Dated::read_dtm),
            contacts: own.take_all("PER", Contact::read),
            amounts: own.take_all("AMT", Amount::read),
            quantities: own.take_all("QTY", Number::read),
            lines: inside.loops("2110").map(|line| RemittanceLine::read(&line)).collect(),
            other: own.rest(),
        }
    }
}

impl RemittanceLine {
    fn read(inside: &Loop<'_, '_, '_>) -> RemittanceLine {
        let mut own = Own::of(inside);
        let svc = own.take("SVC").unwrap_or_default();
        RemittanceLine {
            service: Service::read(&svc, 1),
            charge: money(&svc, 2),
            paid: money(&svc, 3),
            revenue: svc.option(4),
            units: maybe(&svc, 5),
            submitted: Some(Service::read(&svc, 6)).filter(|service| !service.is_empty()),
            submitted_units: maybe(&svc, 7),
            dates: own.take_all("DTM", Dated::read_dtm),
            adjustments: own.take_all("CAS", Adjustment::read).into_iter().flatten().collect(),
            references: own.take_all("REF", Reference::read),
            amounts: own.take_all("AMT", Amount::read),
            quantities: own.take_all("QTY", Number::read),
            remarks: own.take_all("LQ", |raw| {
                let [qualifier, code] = [1, 2].map(|n| raw.element(n).to_owned());
                Some(Remark { qualifier, code })
            }),
            other: own.rest(),
        }
    }
}

impl ProviderAdjustment {
    /// The reasons of a PLB; `None` when an amount cannot be read.
    fn read(plb: &Raw) -> Option<Vec<ProviderAdjustment>> {
        let used = (3..=13).step_by(2).filter(|n| !plb.element(*n).is_empty());
        let list: Option<Vec<_>> = used
            .map(|n| {
                Some(ProviderAdjustment {
                    provider: plb.element(1).into(),
                    year_end: Date::parse(plb.element(2).as_bytes()),
                    reason: plb.component(n, 1).into(),
                    reference: Some(plb.component(n, 2).to_owned()).filter(|text| !text.is_empty()),
                    amount: maybe(plb, n + 1)?,
                })
            })
            .collect();
        list.filter(|list| !list.is_empty())
    }
}
