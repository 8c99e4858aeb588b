//! Ids made of what a file says: the same words give the same id, so whoever comes second finds what
//! the first has written.

use sha2::{Digest, Sha256};

/// A logical id in the form of a UUID (version 8, RFC 9562 §5.8) made of a purpose and some words.
pub(crate) fn id(purpose: &str, words: &[&str]) -> String {
    let mut hash = Sha256::new();
    for word in std::iter::once(&purpose).chain(words) {
        // Lengths keep `ab|c` and `a|bc` apart.
        hash.update((word.len() as u64).to_be_bytes());
        hash.update(word.as_bytes());
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    uuid::Uuid::from_bytes(bytes).to_string()
}

/// SHA-256 of some bytes in hexadecimal digits.
pub(crate) fn digest<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> String {
    let mut hash = Sha256::new();
    pieces.into_iter().for_each(|piece| hash.update(piece));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_every_word_and_its_place() {
        let first = id("payment", &["ab", "c"]);
        assert_eq!(first, id("payment", &["ab", "c"]));
        assert!(remit_fhir::is_id(&first));
        for other in [id("payment", &["a", "bc"]), id("payment", &["abc"]), id("claim", &["ab", "c"])] {
            assert_ne!(first, other);
        }
        assert_eq!(digest([b"ab".as_slice(), b"c"]), digest([b"abc".as_slice()]));
    }
}
