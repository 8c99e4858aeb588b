//! Where a claim's services were given, and the clock of that place: an 837 names the place only where
//! it is not the address of who bills, and tells the time of sending without its zone.

use super::find::{self, Found};
use crate::rcm::timezone;
use crate::rest::Context;
use jiff::civil;
use remit_fhir::Result;
use remit_x12::Date;
use remit_x12::fhir::ClaimEntry;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Places and organizations that the claims of a set name, as far as the record knows them.
pub(super) struct Places {
    known: HashMap<String, Found>,
    /// Places by who manages them.
    managed: HashMap<String, Vec<String>>,
}

impl Places {
    /// Asks for all that the claims name, the places of those who bill too.
    pub(super) async fn find(cx: &Context<'_>, claims: &[ClaimEntry]) -> Result<Places> {
        let mut places = Places { known: HashMap::new(), managed: HashMap::new() };
        let named = |name: &str| -> Vec<String> {
            let all = claims.iter().filter_map(|one| one.resource[name]["reference"].as_str());
            all.map(str::to_owned).collect()
        };
        let (facilities, mut organizations) = (named("facility"), named("provider"));
        organizations.retain(|one| one.starts_with("Organization/"));
        places.add(find::read(cx, &distinct(facilities)).await?);
        let owners = distinct(organizations);
        let of_owners = find::by(cx, "Location", "organization", owners.iter().map(String::as_str)).await?;
        for place in &of_owners {
            if let Some(owner) = owner(&place.resource)
                && place.resource["status"] != "inactive"
            {
                places.managed.entry(owner.to_owned()).or_default().push(place.reference.clone());
            }
        }
        places.add(of_owners);
        let managers = places.known.values().filter_map(|place| owner(&place.resource)).map(str::to_owned);
        let wanted = distinct(managers.chain(owners).collect());
        places.add(find::read(cx, &wanted).await?);
        Ok(places)
    }

    fn add(&mut self, found: Vec<Found>) {
        self.known.extend(found.into_iter().map(|one| (one.reference.clone(), one)));
    }

    /// Says where the services were given when who bills has one place, and turns the day of sending
    /// into an instant where the zone of the place, or of who runs it, is known.
    pub(super) fn settle(&self, claim: &mut Value, day: Option<Date>, time: &str) {
        let provider = claim["provider"]["reference"].as_str().unwrap_or_default();
        if claim["facility"].is_null()
            && let Some([only]) = self.managed.get(provider).map(Vec::as_slice)
        {
            claim["facility"] = json!({ "reference": only });
        }
        if let Some(instant) = day.and_then(|day| instant(day, time, self.zone(claim)?)) {
            claim["created"] = json!(instant);
        }
    }

    fn zone(&self, claim: &Value) -> Option<&str> {
        let place = self.known.get(claim["facility"]["reference"].as_str().unwrap_or_default());
        let manager = place.and_then(|place| self.known.get(owner(&place.resource)?));
        let provider = self.known.get(claim["provider"]["reference"].as_str().unwrap_or_default());
        [place, manager, provider].into_iter().flatten().find_map(|one| timezone(&one.resource))
    }
}

fn owner(place: &Value) -> Option<&str> {
    place["managingOrganization"]["reference"].as_str()
}

fn distinct(mut all: Vec<String>) -> Vec<String> {
    all.sort_unstable();
    all.dedup();
    all
}

/// A day and `HHMM` or `HHMMSS` of a zone's clock, as an instant with its offset.
fn instant(day: Date, time: &str, zone: &str) -> Option<String> {
    let part = |at: usize| match time.get(at..at + 2) {
        Some(digits) => digits.parse::<i8>().ok(),
        None => Some(0),
    };
    let day: civil::Date = day.to_string().parse().ok()?;
    let clock = civil::Time::new(time.get(..2)?.parse().ok()?, part(2)?, part(4)?, 0).ok()?;
    let local = day.to_datetime(clock).in_tz(zone).ok()?;
    Some(local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_that_of_the_zone() {
        for (day, time, zone, expected) in [
            ("20260131", "2330", "America/Denver", Some("2026-01-31T23:30:00-07:00")),
            ("20260701", "083015", "America/Denver", Some("2026-07-01T08:30:15-06:00")),
            ("20260308", "0230", "America/Denver", Some("2026-03-08T03:30:00-06:00")),
            ("20260131", "23", "UTC", Some("2026-01-31T23:00:00+00:00")),
            ("20260131", "2460", "America/Denver", None),
            ("20260131", "", "America/Denver", None),
            ("20260131", "2330", "Moon/Base", None),
        ] {
            let day = Date::parse(day.as_bytes()).expect("a day");
            assert_eq!(instant(day, time, zone).as_deref(), expected, "{time} {zone}");
        }
    }
}
