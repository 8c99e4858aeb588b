//! gzip of request and response bodies (RFC 9110 §8.4, §12.5.3).
//!
//! A request is measured before it is unpacked, so that a small body cannot become a large one unseen.

use super::format::unsupported;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::{GzEncoder, MultiGzDecoder};
use remit_fhir::{Error, Result};
use std::io::Read;

/// Whether a request body is packed. An encoding that is not known gets 415.
pub(super) fn is_packed(content_encoding: Option<&str>) -> Result<bool> {
    let Some(text) = content_encoding.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(false);
    };
    if text.eq_ignore_ascii_case("identity") {
        Ok(false)
    } else if text.eq_ignore_ascii_case("gzip") || text.eq_ignore_ascii_case("x-gzip") {
        Ok(true)
    } else {
        Err(unsupported("The Content-Encoding must be gzip or identity."))
    }
}

/// How long a packed body is once it is unpacked; an error when that is over `limit`.
pub(super) fn unpacked_len(packed: &[u8], limit: usize) -> Result<usize> {
    let mut reader = MultiGzDecoder::new(packed);
    let mut buffer = [0; 16 << 10];
    let mut len = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(len),
            Ok(read) => len += read,
            Err(_) => return Err(damaged()),
        }
        if len > limit {
            return Err(super::body::too_large(limit));
        }
    }
}

/// Unpacks a body of a known length.
pub(super) fn unpack(packed: &[u8], len: usize) -> Result<Bytes> {
    let mut out = Vec::with_capacity(len);
    let reader = MultiGzDecoder::new(packed);
    reader.take(len as u64).read_to_end(&mut out).map_err(|_| damaged())?;
    Ok(Bytes::from(out))
}

fn damaged() -> Error {
    Error::invalid("The body says that it is gzip, but it cannot be unpacked.")
}

/// Packs an answer, fast rather than small. `None` when it would not get shorter.
pub(super) fn pack(body: &[u8]) -> Option<Bytes> {
    let mut out = Vec::with_capacity(body.len() / 4);
    GzEncoder::new(body, Compression::fast()).read_to_end(&mut out).ok()?;
    (out.len() < body.len()).then(|| Bytes::from(out))
}

/// Whether the client takes gzip: it is named, or everything is, with a weight above zero.
pub(super) fn is_accepted(accept_encoding: &str) -> bool {
    let mut all = false;
    for part in accept_encoding.split(',') {
        let (name, rest) = part.split_once(';').unwrap_or((part, ""));
        let weight = rest.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok()).unwrap_or(1.0);
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => {
                return weight > 0.0;
            }
            "*" => all = weight > 0.0,
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_and_unpacking_are_inverse() {
        let text = "FHIR ".repeat(10_000);
        let packed = pack(text.as_bytes()).unwrap();
        assert!(packed.len() < 1000);
        let len = unpacked_len(&packed, text.len()).unwrap();
        assert_eq!(unpack(&packed, len).unwrap(), text.as_bytes());
        assert_eq!(pack(b"x"), None);
    }

    #[test]
    fn a_bomb_and_damage_are_refused() {
        let packed = pack(&vec![b' '; 1 << 20]).unwrap();
        assert_eq!(unpacked_len(&packed, (1 << 20) - 1).unwrap_err().status(), 413);
        assert_eq!(unpacked_len(&packed[..packed.len() / 2], 1 << 20).unwrap_err().status(), 400);
        assert_eq!(unpacked_len(b"no gzip", 100).unwrap_err().status(), 400);
    }

    #[test]
    fn encodings_are_read() {
        for (text, expected) in [
            (None, Some(false)),
            (Some("identity"), Some(false)),
            (Some("GZIP"), Some(true)),
            (Some("x-gzip"), Some(true)),
            (Some("br"), None),
            (Some("gzip, gzip"), None),
        ] {
            assert_eq!(is_packed(text).ok(), expected, "{text:?}");
        }
        for (text, expected) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0, *", false),
            ("*", true),
            ("*;q=0", false),
            ("br", false),
            ("", false),
        ] {
            assert_eq!(is_accepted(text), expected, "{text}");
        }
    }
}
