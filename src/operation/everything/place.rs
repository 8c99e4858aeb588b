//! Where a page of `$everything` begins, as the opaque text of a link.

use remit_fhir::{Error, Result};

/// Where a page begins: after the resource with this number, among the members of the compartment or
/// among what they refer to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Members(i64),
    Referenced(i64),
}

impl Place {
    /// The text, bound to the call by its fingerprint. It protects from mistakes, not from forgery: a
    /// place says where to go on, never what may be seen.
    pub(super) fn render(self, fingerprint: u64) -> String {
        let (kind, rid) = match self {
            Place::Members(rid) => ('m', rid),
            Place::Referenced(rid) => ('r', rid),
        };
        format!("{fingerprint:016x}-{kind}{rid:x}")
    }

    pub(super) fn parse(text: &str, fingerprint: u64) -> Result<Place> {
        let broken = || Error::invalid("The paging link is damaged: take the link as the server gave it.");
        let (hash, place) = text.split_once('-').ok_or_else(broken)?;
        let (kind, rid) = place.split_at_checked(1).ok_or_else(broken)?;
        let hash = u64::from_str_radix(hash, 16).map_err(|_| broken())?;
        let rid = i64::from_str_radix(rid, 16).map_err(|_| broken())?;
        if hash != fingerprint {
            return Err(Error::invalid(
                "The paging link belongs to another request: start again from its first page.",
            ));
        }
        match kind {
            "m" => Ok(Place::Members(rid)),
            "r" => Ok(Place::Referenced(rid)),
            _ => Err(broken()),
        }
    }
}

/// A number that tells calls apart (FNV-1a).
pub(super) fn fingerprint<'t>(texts: impl Iterator<Item = &'t str>) -> u64 {
    let bytes = texts.flat_map(|text| text.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_only_for_its_call() {
        let one = fingerprint(["Patient/1/$everything", "_count"].into_iter());
        for place in [Place::Members(0), Place::Members(77), Place::Referenced(i64::MAX)] {
            assert_eq!(Place::parse(&place.render(one), one).unwrap(), place);
            assert!(Place::parse(&place.render(one), one + 1).is_err());
        }
        for text in ["", "-", "0-m", "0-m1", "zz-m1", "0000000000000000-x1", "é-é"] {
            assert!(Place::parse(text, one).is_err(), "{text}");
        }
    }
}
