//! Which line of a known claim a line of the remittance decides on.

use super::KnownLine;
use crate::model::RemittanceLine;

/// The lines of one claim, each answered once before any is answered twice.
pub(crate) struct Matching<'k> {
    lines: &'k [KnownLine],
    used: Vec<u32>,
    is_first: bool,
}

impl<'k> Matching<'k> {
    pub(crate) fn new(lines: &'k [KnownLine]) -> Matching<'k> {
        Matching { lines, used: Vec::new(), is_first: false }
    }

    /// By its number (REF*6R), which may be the sequence; else by code and day, where several fit by
    /// their charge, and then in order.
    pub(crate) fn find(&mut self, line: &RemittanceLine) -> Option<&'k KnownLine> {
        let found = self.by_control(line).or_else(|| self.by_code(line))?;
        self.is_first = !self.used.contains(&found.sequence);
        if self.is_first {
            self.used.push(found.sequence);
        }
        Some(found)
    }

    /// Whether the line found last had not been found before.
    pub(crate) fn is_first(&self, _found: &KnownLine) -> bool {
        self.is_first
    }

    fn by_control(&self, line: &RemittanceLine) -> Option<&'k KnownLine> {
        let control = line.control()?;
        let by_number = self.lines.iter().find(|own| own.control.as_deref() == Some(control));
        let sequence = control.parse().ok();
        let is_it =
            |own: &&KnownLine| own.control.is_none() && Some(own.sequence) == sequence && fits(own, line);
        by_number.or_else(|| self.lines.iter().find(is_it))
    }

    fn by_code(&self, line: &RemittanceLine) -> Option<&'k KnownLine> {
        let all: Vec<_> = self.lines.iter().filter(|own| fits(own, line)).collect();
        let free = || all.iter().copied().filter(|own| !self.used.contains(&own.sequence));
        let by_charge = free().find(|own| own.charge.is_some_and(|charge| charge.abs() == line.charge.abs()));
        by_charge.or_else(|| free().next()).or(all.first().copied())
    }
}

/// Whether code and day agree.
fn fits(own: &KnownLine, line: &RemittanceLine) -> bool {
    let service = line.submitted.as_ref().unwrap_or(&line.service);
    let day = line.services().map(|span| span.from);
    own.codes.contains(&service.code) && (day.is_none() || own.service.is_none() || own.service == day)
}
