//! What a client may have meant by a name that does not exist.

use remit_spec::{Element, Type};

/// Longer names are no slip of a finger on a name of FHIR.
const MAX_NAME: usize = 48;
/// More slips than this make another word.
const MAX_SLIPS: usize = 2;

/// The end of a sentence that says an element is unknown: the nearest name, or the names of a choice.
pub(crate) fn hint(ty: &Type, name: &str) -> String {
    let visible = || ty.elements.iter().filter(|e| e.max != Some(0));
    if let Some(choice) = visible().find(|e| e.is_choice && is_choice_of(e, name)) {
        let names: Vec<&str> = choice.types.iter().map(|t| t.json_name).collect();
        // Extension.value has fifty; a few show the form.
        const FEW: usize = 12;
        let more = if names.len() > FEW { ", …" } else { "" };
        return format!(
            "; {}[x] is written as {}{more}",
            choice.name,
            names[..names.len().min(FEW)].join(", ")
        );
    }
    let names = visible().flat_map(|e| e.types.iter().map(|t| t.json_name));
    let nearest = names.map(|n| (slips(n, name), n)).min();
    match nearest {
        Some((slips, nearest)) if slips <= MAX_SLIPS.min(name.chars().count() / 2) => {
            format!("; the nearest name is '{nearest}'")
        }
        _ => String::new(),
    }
}

fn is_choice_of(element: &Element, name: &str) -> bool {
    let rest = name.strip_prefix(element.name);
    rest.is_some_and(|rest| {
        rest.is_empty() || rest == "[x]" || rest.starts_with(|c: char| c.is_ascii_uppercase())
    })
}

/// Insertions, deletions and changes from one name to the other, without regard to case.
fn slips(a: &str, b: &str) -> usize {
    if a.len() > MAX_NAME || b.len() > MAX_NAME || a.len().abs_diff(b.len()) > MAX_SLIPS {
        return usize::MAX;
    }
    let mut row = [0usize; MAX_NAME + 1];
    for (n, cell) in row.iter_mut().enumerate() {
        *cell = n;
    }
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let change = diagonal + usize::from(!x.eq_ignore_ascii_case(&y));
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_spec::Definitions;

    #[test]
    fn near_misses_are_found() {
        let defs = Definitions::r4();
        let hint = |ty: &str, name: &str| hint(defs.ty(defs.type_named(ty).unwrap()), name);
        assert_eq!(hint("Patient", "birthdate"), "; the nearest name is 'birthDate'");
        assert_eq!(hint("Patient", "nmae"), "; the nearest name is 'name'");
        assert_eq!(hint("Patient", "Gender"), "; the nearest name is 'gender'");
        assert_eq!(hint("Patient", "frobnicate"), "");
        assert_eq!(hint("Patient", "x"), "");
        assert_eq!(
            hint("Patient", "deceased"),
            "; deceased[x] is written as deceasedBoolean, deceasedDateTime"
        );
        assert_eq!(
            hint("Patient", "deceasedString"),
            "; deceased[x] is written as deceasedBoolean, deceasedDateTime"
        );
        assert!(hint("Extension", "valueFoo").ends_with(", …"));
        assert_eq!(hint("Patient", &"é".repeat(100)), "");
    }
}
