//! What a practice has agreed on with its payers and how it reads their codes: the limits of contracts and
//! the classes of reason codes, as the record holds them.

use super::find;
use crate::rcm::{Classes, DeadlineRule, REASONS};
use crate::rest::Context;
use remit_fhir::Result;

/// The rules for some payers.
#[derive(Default)]
pub(crate) struct Rules {
    /// What reason codes mean.
    pub(crate) classes: Classes,
    /// Until when the payers take something.
    pub(crate) deadlines: Vec<DeadlineRule>,
}

/// Reads what the record says of these payers, `Organization/…`.
pub(crate) async fn rules<'p>(cx: &Context<'_>, payers: impl IntoIterator<Item = &'p str>) -> Result<Rules> {
    let mut maps = Vec::new();
    let pairs = [("source-system", REASONS), ("status", "active")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    find::search(cx, "ConceptMap", &pairs, &mut maps).await?;
    let payers: Vec<&str> = payers.into_iter().filter(|payer| payer.contains('/')).collect();
    let contracts = find::by(cx, "Contract", "subject", payers).await?;
    Ok(Rules {
        classes: Classes::of(maps.iter().map(|one| &one.resource)),
        deadlines: contracts.iter().flat_map(|one| DeadlineRule::of(&one.resource)).collect(),
    })
}
