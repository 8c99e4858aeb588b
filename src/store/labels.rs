//! The labels in use (<https://hl7.org/fhir/R4/resource-operation-meta.html>).

use crate::Store;
use remit_fhir::{Error, IssueType, Kind, Result};
use remit_search::AccessPlan;
use remit_spec::TypeId;

/// Labels of one kind that are listed at most. More than these are no labels but data.
const MAX_LABELS: usize = 10_000;

/// What resources are labelled with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Labels {
    /// Profiles that resources claim.
    pub profiles: Vec<String>,
    /// Tags: system, empty when there is none, and code.
    pub tags: Vec<(String, String)>,
    /// Security labels: system and code.
    pub security: Vec<(String, String)>,
}

impl Store {
    /// The labels of the resources of these types that the caller may see; no type is all. Sorted.
    pub async fn labels(&self, plan: &AccessPlan, types: &[TypeId]) -> Result<Labels> {
        let profiles = self.label_pairs(plan, types, "_profile").await?;
        Ok(Labels {
            profiles: profiles.into_iter().map(|(_, uri)| uri).collect(),
            tags: self.label_pairs(plan, types, "_tag").await?,
            security: self.label_pairs(plan, types, "_security").await?,
        })
    }

    async fn label_pairs(
        &self,
        plan: &AccessPlan,
        types: &[TypeId],
        code: &str,
    ) -> Result<Vec<(String, String)>> {
        let (registry, dialect) = (&self.inner.registry, self.dialect());
        let statement = remit_search::labels(code, types, plan, registry, dialect, MAX_LABELS + 1);
        let Some(statement) = statement else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for mut row in self.run(plan, &statement).await? {
            let (value, system) = (row.text()?, row.text()?);
            all.push((system, value));
        }
        if all.len() > MAX_LABELS {
            return Err(Error::new(
                Kind::Unprocessable,
                format!("More than {MAX_LABELS} different labels are in use; ask for those of one type."),
            )
            .coded(IssueType::TooCostly));
        }
        all.sort_unstable();
        Ok(all)
    }
}
