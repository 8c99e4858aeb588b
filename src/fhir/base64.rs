//! Base64 as `base64Binary` has it (RFC 4648 §4, <https://hl7.org/fhir/R4/datatypes.html#base64Binary>).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The text of some bytes, padded, on one line.
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes that a text stands for; `None` when it is no Base64. White space between characters is
/// allowed.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return STANDARD.decode(text).ok();
    }
    let kept: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(kept).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_ignored_and_faults_are_found() {
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm9v\n YmFy", "foobar"), ("Zm9vYg==", "foob")] {
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for text in ["Z", "Zg", "Zg=", "Zg===", "Zm9v=", "Zg==Zg==", "Zm9*", "=", "====", "Zh=="] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(encode(b"foobar"), "Zm9vYmFy");
    }
}
