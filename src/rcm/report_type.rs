//! What a report of a measure shows
//! (<https://hl7.org/fhir/R4/measure-operation-evaluate-measure.html>, `reportType`).

use super::request::{Inputs, MeasureRequest};
use remit_fhir::{Error, Issue, IssueType, Kind, Result};

/// What a report shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportType {
    /// Counts, amounts and scores.
    Population,
    /// The episodes that are counted, too.
    SubjectList,
}

pub(super) fn read_report_type(inputs: &mut Inputs) -> Result<ReportType> {
    match inputs.one("reportType").as_deref() {
        None | Some("population") => Ok(ReportType::Population),
        Some("subject-list") => Ok(ReportType::SubjectList),
        Some("subject") => Err(Error::new(
            Kind::NotImplemented,
            "The measures here count episodes of many patients, not one patient; use population or subject-list.",
        )
        .at("reportType")),
        Some(_) => {
            let text = "The report type is population or subject-list.";
            inputs.fault(IssueType::CodeInvalid, "reportType", text);
            Ok(ReportType::Population)
        }
    }
}

impl MeasureRequest {
    /// The same question, where only the figures of the population can be asked.
    ///
    /// # Errors
    /// 400 when the report shall list its subjects.
    pub fn of_population(self) -> Result<MeasureRequest> {
        match self.report_type {
            ReportType::Population => Ok(self),
            ReportType::SubjectList => {
                let text = "Only $evaluate-measure lists subjects; leave reportType out here.";
                let issue = Issue::error(IssueType::NotSupported, text).at("reportType");
                Err(Error::with_issues(Kind::Invalid, vec![issue]))
            }
        }
    }
}
