//! Which elements of an object have been seen, as bits.

use remit_spec::{Element, Type};

/// Elements of one type, by their place in the definition.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Seen(u128);

/// No type of R4 has half as many elements; a test counts them.
#[cfg(test)]
pub(crate) const MAX_ELEMENTS: usize = 128;

impl Seen {
    /// Adds an element; `false` when it was there.
    #[inline]
    pub(crate) fn add(&mut self, place: usize) -> bool {
        let bit = 1u128.checked_shl(place as u32).unwrap_or(0);
        let is_new = self.0 & bit == 0;
        self.0 |= bit;
        is_new
    }

    /// The elements of both.
    pub(crate) fn or(self, other: Seen) -> Seen {
        Seen(self.0 | other.0)
    }

    #[inline]
    pub(crate) fn has(self, place: usize) -> bool {
        self.0 & 1u128.checked_shl(place as u32).unwrap_or(0) != 0
    }
}

/// An element's place in its type, from the addresses, as members are found by name.
#[inline]
pub(crate) fn place_of(ty: &Type, element: &Element) -> usize {
    let offset = std::ptr::from_ref(element).addr().wrapping_sub(ty.elements.as_ptr().addr());
    offset / size_of::<Element>()
}
