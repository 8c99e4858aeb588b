//! A file read and checked: its interchanges, what they are identified by, and the sets in them. What
//! cannot be taken in whole is refused here, with every finding and its place.

use super::identity::digest;
use remit_fhir::{Error, Issue, IssueType, Kind, Result};
use remit_x12::model::{Acknowledgement, ClaimSet, InterchangeAnswer, Remittance, StatusReport};
use remit_x12::{Document, Finding, Level, Part, Segment, Transaction, Tree, check_tree, guide_of};

/// Claims that one file may bring. They are written in one transaction, which others wait for.
const MAX_CLAIMS: usize = 50_000;

/// Findings told in one answer.
const MAX_TOLD: usize = 200;

/// What a set says.
pub(super) enum Content {
    /// 835
    Remittance(Box<Remittance>),
    /// 277CA
    Status(Box<StatusReport>),
    /// 837
    Claims(Box<ClaimSet>),
    /// 999
    Acknowledgement(Box<Acknowledgement>),
    /// TA1, which is no set but stands in its place.
    Interchange(InterchangeAnswer),
}

/// A transaction set.
pub(super) struct Set {
    /// What it says.
    pub(super) content: Content,
    /// ST01, `835`.
    pub(super) name: String,
    /// GS02, GS03, GS06 and ST02, which a 999 would repeat.
    pub(super) control: [String; 4],
    /// SHA-256 of the segments between ST and SE: what it says, whatever envelope it is in.
    pub(super) digest: String,
    /// What its sums are wrong about.
    pub(super) unbalanced: Vec<Finding>,
    /// What else was found and did not keep it out.
    pub(super) warnings: Vec<Finding>,
}

/// An interchange.
pub(super) struct Interchange<'t> {
    /// Its bytes, ISA to IEA.
    pub(super) bytes: &'t [u8],
    /// SHA-256 of them.
    pub(super) digest: String,
    /// ISA05 and ISA06, as `ZZ:SENDER`.
    pub(super) sender: String,
    /// ISA07 and ISA08.
    pub(super) receiver: String,
    /// ISA13.
    pub(super) control: String,
    /// GS01 of its groups, in order, each once; TA1 where there is no group.
    pub(super) functional: String,
    /// Its sets.
    pub(super) sets: Vec<Set>,
}

/// A file whose structure is sound.
pub(super) struct File<'t> {
    pub(super) interchanges: Vec<Interchange<'t>>,
}

/// Reads a file. 400 when the envelopes are wrong, 422 when a set is.
pub(super) fn read(text: &[u8]) -> Result<File<'_>> {
    let document = Document::parse(text);
    let faults: Vec<&Finding> = document.findings.list().iter().filter(|f| f.is_error()).collect();
    if !faults.is_empty() {
        return Err(refuse(Kind::Invalid, faults));
    }
    let mut reader =
        Reader { text, interchanges: Vec::new(), start: 0, gs: None, faults: Vec::new(), claims: 0 };
    for part in &document.parts {
        reader.part(part)?;
    }
    if !reader.faults.is_empty() {
        return Err(refuse(Kind::Unprocessable, &reader.faults));
    }
    let file = File { interchanges: reader.interchanges };
    if file.sets().next().is_none() {
        return Err(Error::invalid("The file has no transaction set.").coded(IssueType::Structure));
    }
    Ok(file)
}

/// The findings as an error, bounded.
pub(super) fn refuse<'f>(kind: Kind, findings: impl IntoIterator<Item = &'f Finding>) -> Error {
    let all: Vec<&Finding> = findings.into_iter().collect();
    let mut issues: Vec<Issue> = all.iter().take(MAX_TOLD).map(|finding| finding.issue()).collect();
    if all.len() > MAX_TOLD {
        issues.push(Issue::information(format!("{} findings more are not listed.", all.len() - MAX_TOLD)));
    }
    Error::with_issues(kind, issues)
}

impl File<'_> {
    /// All sets.
    pub(super) fn sets(&self) -> impl Iterator<Item = &Set> {
        self.interchanges.iter().flat_map(|one| &one.sets)
    }

    /// 422 when there is another set than the one expected.
    pub(super) fn expect(&self, set: &str) -> Result<()> {
        match self.sets().find(|one| one.name != set) {
            None => Ok(()),
            Some(other) => Err(Error::unprocessable(format!(
                "The file has a set {}; here only {set} is taken.",
                other.name
            ))),
        }
    }
}

struct Reader<'t> {
    text: &'t [u8],
    interchanges: Vec<Interchange<'t>>,
    /// Where the interchange began.
    start: usize,
    gs: Option<[String; 3]>,
    faults: Vec<Finding>,
    claims: usize,
}

impl<'t> Reader<'t> {
    fn part(&mut self, part: &Part<'t>) -> Result<()> {
        match part {
            Part::Interchange(isa) => {
                self.start = usize::try_from(isa.offset()).unwrap_or_default();
                self.interchanges.push(begin(isa));
            }
            Part::Group(gs) => {
                self.gs = Some([gs.string(2), gs.string(3), gs.string(6)]);
                if let Some(one) = self.interchanges.last_mut() {
                    let code = gs.string(1);
                    if !one.functional.split(',').any(|known| known == code) {
                        let comma = if one.functional.is_empty() { "" } else { "," };
                        one.functional = format!("{}{comma}{code}", one.functional);
                    }
                }
            }
            Part::GroupEnd(_) => self.gs = None,
            Part::Transaction(transaction) => self.set(transaction)?,
            Part::Acknowledgement(ta1) => self.answer(ta1),
            Part::InterchangeEnd(iea) => self.end(iea),
            _ => {}
        }
        Ok(())
    }

    fn answer(&mut self, ta1: &Segment<'_>) {
        let Some(one) = self.interchanges.last_mut() else { return };
        if one.functional.is_empty() {
            one.functional = "TA1".to_owned();
        }
        one.sets.push(Set {
            content: Content::Interchange(InterchangeAnswer::read(ta1)),
            name: "TA1".to_owned(),
            control: [String::new(), String::new(), String::new(), ta1.string(1)],
            digest: digest([ta1.text()]),
            unbalanced: Vec::new(),
            warnings: Vec::new(),
        });
    }

    fn end(&mut self, iea: &Segment<'_>) {
        let Some(one) = self.interchanges.last_mut() else { return };
        let end = usize::try_from(iea.offset()).unwrap_or(usize::MAX).saturating_add(iea.text().len() + 1);
        one.bytes = self.text.get(self.start..end.min(self.text.len())).unwrap_or_default();
        one.digest = digest([one.bytes]);
    }

    fn set(&mut self, transaction: &Transaction<'t>) -> Result<()> {
        let guide = match guide_of(transaction) {
            Ok(guide) => guide,
            Err(finding) => {
                self.faults.push(*finding);
                return Ok(());
            }
        };
        let tree = Tree::build(transaction, guide);
        let (mut unbalanced, mut warnings) = (Vec::new(), Vec::new());
        for finding in check_tree(&tree, Level::Situation) {
            if finding.is_error() && finding.level == Level::Balance {
                unbalanced.push(finding);
            } else if keeps_out(&finding) {
                self.faults.push(finding);
            } else {
                warnings.push(finding);
            }
        }
        let Some(content) = content(&tree) else { return Ok(()) };
        self.count(&content)?;
        let segments = transaction.segments.iter().skip(1).take(transaction.segments.len().saturating_sub(2));
        let digest = digest(segments.flat_map(|segment| [segment.text(), b"~".as_slice()]));
        let [sender, receiver, group] = self.gs.clone().unwrap_or_default();
        let st = &transaction.segments[0];
        let set = Set {
            content,
            name: st.string(1),
            control: [sender, receiver, group, st.string(2)],
            digest,
            unbalanced,
            warnings,
        };
        if let Some(one) = self.interchanges.last_mut() {
            one.sets.push(set);
        }
        Ok(())
    }

    fn count(&mut self, content: &Content) -> Result<()> {
        self.claims += match content {
            Content::Remittance(remittance) => remittance.claims.len(),
            Content::Claims(set) => set.claims.len(),
            Content::Status(report) => report.claims().count(),
            _ => 0,
        };
        if self.claims <= MAX_CLAIMS {
            return Ok(());
        }
        Err(Error::new(
            Kind::TooLarge,
            format!("The file has more than {MAX_CLAIMS} claims; they would be one transaction. Split it."),
        ))
    }
}

fn begin<'t>(isa: &Segment<'t>) -> Interchange<'t> {
    let name = |n: usize| format!("{}:{}", isa.string(n).trim(), isa.string(n + 1).trim());
    Interchange {
        bytes: isa.whole(),
        digest: String::new(),
        sender: name(5),
        receiver: name(7),
        control: isa.string(13),
        functional: String::new(),
        sets: Vec::new(),
    }
}

fn content(tree: &Tree<'_, '_>) -> Option<Content> {
    use remit_x12::guide::Kind;
    match tree.guide.kind {
        Kind::Remittance => Remittance::read(tree).map(|one| Content::Remittance(Box::new(one))),
        Kind::ClaimAcknowledgement => StatusReport::read(tree).map(|one| Content::Status(Box::new(one))),
        Kind::Acknowledgement => {
            Acknowledgement::read(tree).map(|one| Content::Acknowledgement(Box::new(one)))
        }
        Kind::Professional | Kind::Institutional | Kind::Dental => {
            ClaimSet::read(tree).map(|one| Content::Claims(Box::new(one)))
        }
    }
}

/// Segments without which a set says nothing that could be taken in.
const NEEDED: [&str; 12] =
    ["BPR", "TRN", "CLP", "BHT", "CLM", "SV1", "SV2", "SV3", "AK1", "AK9", "STC", "SE"];

/// Elements without which money or its owner would be guessed.
const NEEDED_ELEMENTS: [(&str, u16); 10] = [
    ("BPR", 2),
    ("BPR", 16),
    ("TRN", 2),
    ("CLP", 1),
    ("CLP", 2),
    ("CLP", 3),
    ("CLP", 4),
    ("SVC", 2),
    ("SVC", 3),
    ("CLM", 1),
];

/// Whether a finding keeps a set out. Syntax does, but for a segment that stands too late and is
/// understood all the same; of what a guide asks for, only what is needed to take the set in.
fn keeps_out(finding: &Finding) -> bool {
    let place = &finding.place;
    match finding.level {
        _ if !finding.is_error() => false,
        Level::Syntax => finding.code != "segment-sequence",
        Level::Guide => {
            (finding.code == "segment-missing" && NEEDED.contains(&place.id.as_str()))
                || (finding.code == "element-required"
                    && NEEDED_ELEMENTS.contains(&(place.id.as_str(), place.element)))
        }
        Level::Balance | Level::Situation => false,
    }
}
