//! The file that a receiver would answer with: for each interchange received one back, with its TA1 and
//! a 999 for each functional group.

use remit_fhir::date;
use remit_store::system_clock;
use remit_x12::compose::{Address, Group, Interchange, LineEnd, Usage, write};
use remit_x12::{Answers, Delimiters, Document, Level, Part, Segment, answers};

/// Interchanges that are answered; a file with more is answered for the first of them.
const MAX_ANSWERED: usize = 100;

/// The version of a 999.
const VERSION: &str = "005010X231A1";

/// The answers to a file; `None` when there is nothing that could be answered.
pub(super) fn of(document: &Document<'_>, level: Level) -> Option<Vec<u8>> {
    let headers = document.parts.iter().filter_map(|part| match part {
        Part::Interchange(isa) => Some(isa),
        _ => None,
    });
    let now = date::instant(system_clock());
    let mut text = Vec::new();
    for (n, (isa, answers)) in headers.zip(answers(document, level)).take(MAX_ANSWERED).enumerate() {
        let one = interchange(isa, &answers, n, &now)?;
        // Names that hold one of our delimiters cannot be answered to in these delimiters.
        text.extend(write(&one).ok()?);
    }
    Some(text).filter(|text| !text.is_empty())
}

fn interchange(isa: &Segment<'_>, answers: &Answers, n: usize, now: &str) -> Option<Interchange> {
    let address =
        |at: usize| Address { qualifier: isa.string(at), id: isa.string(at + 1).trim_end().to_owned() };
    let digits: String = now.chars().filter(char::is_ascii_digit).collect();
    let (sender, receiver) = (address(7), address(5));
    let sets = answers.groups.iter().map(|group| group.write()).collect::<Vec<_>>();
    let group = Group {
        functional: "FA".into(),
        sender: sender.id.clone(),
        receiver: receiver.id.clone(),
        control: 1,
        version: VERSION.into(),
        sets,
    };
    Some(Interchange {
        sender,
        receiver,
        date: digits.get(..8)?.to_owned(),
        time: digits.get(8..12)?.to_owned(),
        control: u32::try_from(n + 1).ok()?,
        usage: if isa.bytes(15) == b"T" { Usage::Test } else { Usage::Production },
        delimiters: Delimiters::default(),
        line_end: LineEnd::None,
        acknowledgements: vec![answers.interchange.write()],
        groups: if group.sets.is_empty() { Vec::new() } else { vec![group] },
    })
}
