//! The own segments of a loop, taken one by one; what nobody takes is left for `other`.

use crate::raw::Raw;
use crate::tree::Loop;

/// Segments not yet taken.
pub(crate) struct Own(Vec<Raw>);

impl Own {
    pub(crate) fn of(inside: &Loop<'_, '_, '_>) -> Own {
        Own(inside.segments().map(|segment| Raw::of(&segment)).collect())
    }

    /// The first segment of an identifier.
    pub(crate) fn take(&mut self, id: &str) -> Option<Raw> {
        self.take_if(|raw| raw.id() == id)
    }

    /// The first segment of an identifier and qualifier.
    pub(crate) fn take_qualified(&mut self, id: &str, qualifier: &str) -> Option<Raw> {
        self.take_if(|raw| raw.id() == id && raw.element(1) == qualifier)
    }

    fn take_if(&mut self, is_it: impl Fn(&Raw) -> bool) -> Option<Raw> {
        let at = self.0.iter().position(is_it)?;
        Some(self.0.remove(at))
    }

    /// All segments of an identifier that can be read; the others stay.
    pub(crate) fn take_all<T>(&mut self, id: &str, read: impl Fn(&Raw) -> Option<T>) -> Vec<T> {
        let mut taken = Vec::new();
        self.0.retain(|raw| match (raw.id() == id).then(|| read(raw)).flatten() {
            Some(value) => {
                taken.push(value);
                false
            }
            None => true,
        });
        taken
    }

    /// What is left.
    pub(crate) fn rest(self) -> Vec<Raw> {
        self.0
    }
}
