//! `near`: a distance from a point (<https://hl7.org/fhir/R4/location.html#search>).
//!
//! The distance is that of the great circle on a sphere (haversine); a band of latitudes bounds it
//! first, which an index can use.

use crate::extract::Item;
use crate::number::decimal;
use crate::parse::split;
use crate::rows::{PositionRow, Real};
use crate::sql::{Arg, Writer};
use remit_fhir::{Error, Result};
use remit_fhirpath::CanonicalUnit;

/// Mean radius of the earth in metres.
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// What is near when the search does not say: 50 km.
const DEFAULT_DISTANCE_M: f64 = 50_000.0;

/// Half the way around the earth; nothing is farther.
const MAX_DISTANCE_M: f64 = 20_037_508.0;

/// A point and a distance searched for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Value {
    latitude: f64,
    longitude: f64,
    distance_m: f64,
}

pub(crate) fn index(item: &Item<'_>, param: i32, rows: &mut Vec<PositionRow>) {
    let degree = |name| item.node.get(name).and_then(decimal);
    if let (Some(latitude), Some(longitude)) = (degree("latitude"), degree("longitude"))
        && latitude.abs() <= 90.0
        && longitude.abs() <= 180.0
    {
        rows.push(PositionRow { param, latitude: Real(latitude), longitude: Real(longitude) });
    }
}

/// Reads `latitude|longitude|distance|units`; the last two may be missing.
pub(crate) fn parse(text: &str) -> Result<Value> {
    let parts: Vec<&str> = split(text, '|').collect();
    let number = |at: usize| parts.get(at).and_then(|p| p.parse::<f64>().ok()).filter(|v| v.is_finite());
    let refused = || {
        Error::invalid(format!(
            "'{text}' is no place: write latitude|longitude|distance|units, e.g. 42.25|-83.69|11.2|km."
        ))
    };
    let (latitude, longitude) = number(0).zip(number(1)).ok_or_else(refused)?;
    if latitude.abs() > 90.0 || longitude.abs() > 180.0 || parts.len() > 4 {
        return Err(refused());
    }
    let distance_m = match parts.get(2) {
        None | Some(&"") => DEFAULT_DISTANCE_M,
        Some(_) => {
            number(2).filter(|d| *d >= 0.0).ok_or_else(refused)?
                * metres(parts.get(3).copied()).ok_or_else(refused)?
        }
    };
    Ok(Value { latitude, longitude, distance_m: distance_m.min(MAX_DISTANCE_M) })
}

/// Metres in a unit of length; kilometres when none is said.
fn metres(unit: Option<&str>) -> Option<f64> {
    let code = match unit {
        None | Some("") => "km",
        Some("mi") => "[mi_i]",
        Some("ft") => "[ft_i]",
        Some(code) => code,
    };
    CanonicalUnit::of(code).filter(|c| c.symbol == "m").map(|c| c.convert(1.0))
}

impl Value {
    /// Least and greatest latitude that can be near.
    fn band(&self) -> (f64, f64) {
        let reach = (self.distance_m / EARTH_RADIUS_M).to_degrees();
        (self.latitude - reach, self.latitude + reach)
    }

    /// The square of half the chord that the distance spans on a sphere of radius 1.
    fn half_chord(&self) -> f64 {
        (self.distance_m / EARTH_RADIUS_M / 2.0).min(std::f64::consts::FRAC_PI_2).sin().powi(2)
    }

    pub(crate) fn holds(&self, latitude: f64, longitude: f64) -> bool {
        let (low, high) = self.band();
        let south = ((latitude - self.latitude).to_radians() / 2.0).sin();
        let east = ((longitude - self.longitude).to_radians() / 2.0).sin();
        let cosines = self.latitude.to_radians().cos() * latitude.to_radians().cos();
        (low..=high).contains(&latitude) && south * south + cosines * east * east <= self.half_chord()
    }

    /// The same as [`holds`](Self::holds), of table `x`.
    pub(crate) fn sql(&self, w: &mut Writer, x: &str) {
        let (low, high) = self.band();
        let (latitude, longitude) = (format!("{x}.latitude"), format!("{x}.longitude"));
        w.push(&latitude).push(" >= ").arg(Arg::Float(low)).push(" and ");
        w.push(&latitude).push(" <= ").arg(Arg::Float(high)).push(" and ");
        let sine = |w: &mut Writer, column: &str, from: f64| {
            w.push("sin(radians(").push(column).push(" - ").arg(Arg::Float(from)).push(") / 2)");
        };
        sine(w, &latitude, self.latitude);
        w.push(" * ");
        sine(w, &latitude, self.latitude);
        w.push(" + ").arg(Arg::Float(self.latitude.to_radians().cos()));
        w.push(" * cos(radians(").push(&latitude).push(")) * ");
        sine(w, &longitude, self.longitude);
        w.push(" * ");
        sine(w, &longitude, self.longitude);
        w.push(" <= ").arg(Arg::Float(self.half_chord()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_a_distance_on_the_earth() {
        for (search, latitude, longitude, expected) in [
            ("0|0|112|km", 0.0, 1.0, true),
            ("0|0|111|km", 0.0, 1.0, false),
            ("60|0|56|km", 60.0, 1.0, true),
            ("60|0|55|km", 60.0, 1.0, false),
            ("0|179.9|30|km", 0.0, -179.9, true),
            ("42.25475478|-83.6945691|11.2|km", 42.256, -83.694, true),
            ("42.25475478|-83.6945691", 42.6, -83.694, true),
            ("42.25475478|-83.6945691", 42.8, -83.694, false),
            ("42.25475478|-83.6945691|10|[mi_i]", 42.3, -83.694, true),
            ("0|0|30000|km", 0.0, 180.0, true),
        ] {
            assert_eq!(parse(search).unwrap().holds(latitude, longitude), expected, "{search}");
        }
        for text in ["", "1", "91|0", "0|181", "a|b", "0|0|-1|km", "0|0|1|kg", "0|0|1|km|x", "NaN|0"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
