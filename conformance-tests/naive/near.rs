//! Distances between places (<https://hl7.org/fhir/R4/location.html#search>), by the angle between the
//! directions to them from the middle of the earth.

use super::Value;

/// Mean radius of the earth in kilometres.
const EARTH_KM: f64 = 6_371.008_8;
/// What is near when the search does not say.
const USUAL_KM: f64 = 50.0;

fn direction(latitude: f64, longitude: f64) -> [f64; 3] {
    let (latitude, longitude) = (latitude.to_radians(), longitude.to_radians());
    [latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()]
}

fn kilometres(a: [f64; 3], b: [f64; 3]) -> f64 {
    let cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    let length = |v: [f64; 3]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let dot: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
    length(cross).atan2(dot) * EARTH_KM
}

/// Whether a position is as near as `latitude|longitude|distance|units` says.
pub(super) fn holds(value: &Value, text: &str) -> bool {
    let number = |name: &str| value.json[name].as_f64();
    let (Some(latitude), Some(longitude)) = (number("latitude"), number("longitude")) else { return false };
    let parts: Vec<&str> = text.split('|').collect();
    let read = |at: usize| parts[at].parse::<f64>().expect("a number");
    let limit = parts.get(2).filter(|text| !text.is_empty()).map_or(USUAL_KM, |_| {
        let unit = match parts.get(3).copied().unwrap_or_default() {
            "" | "km" => 1.0,
            "m" => 0.001,
            "[mi_i]" => 1.609_344,
            unit => panic!("{unit} is no unit of these tests"),
        };
        read(2) * unit
    });
    kilometres(direction(latitude, longitude), direction(read(0), read(1))) <= limit
}
