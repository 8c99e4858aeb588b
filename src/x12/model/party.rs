//! Somebody: NM1 or N1 with the address, identifiers, contacts and birth that follow it.

use crate::compose::LoopText;
use crate::model::common::{Dated, Reference};
use crate::model::own::Own;
use crate::raw::Raw;
use crate::tree::Loop;
use crate::value::Date;

/// A person or an organization in a role.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Party {
    /// `85`, `IL`, `PR`: NM101 or N101.
    pub role: String,
    /// Person or organization.
    pub entity: Entity,
    /// Last name of a person, name of an organization.
    pub name: String,
    /// First name.
    pub first: Option<String>,
    /// Middle name.
    pub middle: Option<String>,
    /// Prefix.
    pub prefix: Option<String>,
    /// Suffix.
    pub suffix: Option<String>,
    /// The identifier beside the name.
    pub id: Option<Identifier>,
    /// N3 and N4.
    pub address: Option<Address>,
    /// Provider taxonomy code: PRV03.
    pub taxonomy: Option<String>,
    /// Birth date: DMG02.
    pub birth_date: Option<Date>,
    /// `F`, `M`, `U`: DMG03.
    pub gender: Option<String>,
    /// REF.
    pub references: Vec<Reference>,
    /// DTP.
    pub dates: Vec<Dated>,
    /// PER.
    pub contacts: Vec<Contact>,
    /// Everything else of the loop.
    pub other: Vec<Raw>,
}

/// What a party is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Entity {
    /// NM102 is 1.
    Person,
    /// NM102 is 2.
    Organization,
    /// N1, which does not tell.
    #[default]
    Unsaid,
}

/// An identifier and what kind it is of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identifier {
    /// `XX` (NPI), `MI`, `PI`, `46`.
    pub qualifier: String,
    /// The identifier.
    pub value: String,
}

/// N3 and N4.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Address {
    /// Street lines.
    pub lines: Vec<String>,
    /// N401.
    pub city: String,
    /// N402.
    pub state: Option<String>,
    /// N403.
    pub postal_code: Option<String>,
    /// N404.
    pub country: Option<String>,
    /// N407.
    pub subdivision: Option<String>,
}

/// PER.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Contact {
    /// `IC`, `BL`, `CX`.
    pub function: String,
    /// PER02.
    pub name: Option<String>,
    /// Qualifier (`TE`, `EM`) and number.
    pub numbers: Vec<(String, String)>,
}

/// What PRV01 says for a role.
fn provider_code(role: &str) -> &'static str {
    match role {
        "71" => "AT",
        "DN" | "P3" => "RF",
        "DD" => "AS",
        "85" => "BI",
        _ => "PE",
    }
}

impl Party {
    /// The value of the first reference of a qualifier.
    pub fn reference(&self, qualifier: &str) -> Option<&str> {
        let found = self.references.iter().find(|reference| reference.qualifier == qualifier);
        found.map(|reference| reference.value.as_str())
    }

    /// The NPI, where that is the identifier.
    pub fn npi(&self) -> Option<&str> {
        self.id.as_ref().filter(|id| id.qualifier == "XX").map(|id| id.value.as_str())
    }

    /// An organization with an identifier.
    pub fn organization(role: &str, name: &str, qualifier: &str, id: &str) -> Party {
        Party {
            role: role.into(),
            entity: Entity::Organization,
            name: name.into(),
            id: Some(Identifier { qualifier: qualifier.into(), value: id.into() }),
            ..Party::default()
        }
    }

    /// A person with an identifier.
    pub fn person(role: &str, last: &str, first: &str, qualifier: &str, id: &str) -> Party {
        let organization = Party::organization(role, last, qualifier, id);
        Party { entity: Entity::Person, first: Some(first.into()), ..organization }
    }

    /// The party of a loop that NM1 or N1 begins.
    pub(crate) fn read(inside: &Loop<'_, '_, '_>) -> Party {
        Party::take(Own::of(inside))
    }

    fn take(mut own: Own) -> Party {
        let mut party = match (own.take("NM1"), own.take("N1")) {
            (Some(nm1), _) => Party::name(&nm1),
            (None, Some(n1)) => Party::short_name(&n1),
            (None, None) => Party::default(),
        };
        party.address = address(&mut own);
        let code = provider_code(&party.role);
        let taxonomies = own.take_all("PRV", |raw| {
            (raw.len() == 3 && raw.element(1) == code && raw.element(2) == "PXC")
                .then(|| raw.element(3).to_owned())
        });
        party.taxonomy = taxonomies.into_iter().next();
        let births = own.take_all("DMG", |raw| {
            let is_plain = raw.len() == 3 && raw.element(1) == "D8";
            is_plain
                .then(|| Some((Date::parse(raw.element(2).as_bytes())?, raw.element(3).to_owned())))
                .flatten()
        });
        if let Some((date, gender)) = births.into_iter().next() {
            (party.birth_date, party.gender) = (Some(date), Some(gender));
        }
        party.references = own.take_all("REF", Reference::read);
        party.dates = own.take_all("DTP", Dated::read_dtp);
        party.contacts = own.take_all("PER", Contact::read);
        party.other = own.rest();
        party
    }

    /// NM1 alone.
    pub(crate) fn name(nm1: &Raw) -> Party {
        Party {
            role: nm1.element(1).into(),
            entity: match nm1.element(2) {
                "1" => Entity::Person,
                "2" => Entity::Organization,
                _ => Entity::Unsaid,
            },
            name: nm1.element(3).into(),
            first: nm1.option(4),
            middle: nm1.option(5),
            prefix: nm1.option(6),
            suffix: nm1.option(7),
            id: identifier(nm1, 8),
            ..Party::default()
        }
    }

    fn short_name(n1: &Raw) -> Party {
        Party {
            role: n1.element(1).into(),
            name: n1.element(2).into(),
            id: identifier(n1, 3),
            ..Party::default()
        }
    }

    /// NM1.
    pub(crate) fn write_name(&self) -> Raw {
        let entity = match self.entity {
            Entity::Person => "1",
            Entity::Organization => "2",
            Entity::Unsaid => "",
        };
        let raw = Raw::new("NM1")
            .with(&self.role)
            .with(entity)
            .with(&self.name)
            .with_option(self.first.as_ref())
            .with_option(self.middle.as_ref())
            .with_option(self.prefix.as_ref())
            .with_option(self.suffix.as_ref());
        self.write_id(raw)
    }

    fn write_id(&self, raw: Raw) -> Raw {
        let id = self.id.clone().unwrap_or_default();
        raw.with(id.qualifier).with(id.value).trimmed()
    }

    /// The segments of the loop; the guide's tables bring them into order.
    pub(crate) fn write(&self, id: &'static str) -> LoopText {
        let first = match self.entity {
            Entity::Unsaid if matches!(self.role.as_str(), "PR" | "PE") && id.starts_with("1000") => {
                self.write_id(Raw::new("N1").with(&self.role).with(&self.name))
            }
            _ => self.write_name(),
        };
        let mut segments = vec![first];
        if let Some(address) = &self.address {
            segments.extend(address.write());
        }
        if let Some(taxonomy) = &self.taxonomy {
            segments.push(Raw::new("PRV").with(provider_code(&self.role)).with("PXC").with(taxonomy));
        }
        if let Some(birth) = self.birth_date {
            let gender = self.gender.clone().unwrap_or_default();
            segments.push(Raw::new("DMG").with("D8").with(birth.compact()).with(gender));
        }
        segments.extend(self.references.iter().map(Reference::write));
        segments.extend(self.dates.iter().map(Dated::write_dtp));
        segments.extend(self.contacts.iter().map(Contact::write));
        segments.extend(self.other.iter().cloned());
        LoopText::new(id, segments)
    }
}

fn identifier(raw: &Raw, n: usize) -> Option<Identifier> {
    let (qualifier, value) = (raw.element(n).to_owned(), raw.element(n + 1).to_owned());
    (!qualifier.is_empty() || !value.is_empty()).then_some(Identifier { qualifier, value })
}

fn address(own: &mut Own) -> Option<Address> {
    let (n3, n4) = (own.take("N3"), own.take("N4"));
    if n3.is_none() && n4.is_none() {
        return None;
    }
    let (n3, n4) = (n3.unwrap_or_default(), n4.unwrap_or_default());
    Some(Address {
        lines: (1..=2).filter_map(|n| n3.option(n)).collect(),
        city: n4.element(1).into(),
        state: n4.option(2),
        postal_code: n4.option(3),
        country: n4.option(4),
        subdivision: n4.option(7),
    })
}

impl Address {
    fn write(&self) -> Vec<Raw> {
        let n3 = self.lines.iter().take(2).fold(Raw::new("N3"), Raw::with);
        let n4 = Raw::new("N4")
            .with(&self.city)
            .with_option(self.state.as_ref())
            .with_option(self.postal_code.as_ref())
            .with_option(self.country.as_ref())
            .skip(2)
            .with_option(self.subdivision.as_ref())
            .trimmed();
        [n3, n4].into_iter().filter(|raw| !raw.is_empty()).collect()
    }
}

impl Contact {
    pub(crate) fn read(raw: &Raw) -> Option<Contact> {
        let pairs = (3..=7).step_by(2).map(|n| (raw.element(n).to_owned(), raw.element(n + 1).to_owned()));
        let numbers = pairs.filter(|(kind, number)| !kind.is_empty() || !number.is_empty()).collect();
        Some(Contact { function: raw.element(1).into(), name: raw.option(2), numbers })
    }

    pub(crate) fn write(&self) -> Raw {
        let start = Raw::new("PER").with(&self.function).with_option(self.name.as_ref());
        let add = |raw: Raw, (kind, number): &(String, String)| raw.with(kind).with(number);
        self.numbers.iter().take(3).fold(start, add).trimmed()
    }
}
