//! Code systems whose codes are too many to list, or kept by others: what can be said of a code by
//! its form. <https://hl7.org/fhir/R4/terminologies-systems.html>

use crate::terminology::Membership;

/// Media types, RFC 6838.
const MEDIA_TYPES: &str = "urn:ietf:bcp:13";
/// Language tags, RFC 5646.
const LANGUAGES: &str = "urn:ietf:bcp:47";
/// Currencies.
const CURRENCIES: &str = "urn:iso:std:iso:4217";
/// Units.
const UNITS: &str = "http://unitsofmeasure.org";

/// The alphabetic codes of ISO 4217 in use, funds and metals included, and the withdrawn ones that
/// older financial records may still hold.
const CURRENCY_CODES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV \
    BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP \
    ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD \
    JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR \
    MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD \
    SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD \
    USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF XPT XSU XTS \
    XUA XXX YER ZAR ZMW ZWG ZWL \
    ATS AZM BEF BGL BYB BYR CSD CYP CZC DEM EEK ESP FIM FRF GHC GRD IEP ITL LTL LUF LVL MGF MRO MTL MXP MZM \
    NLG PLZ PTE ROL RUR SDD SIT SKK SRG STD TMM TRL UGS USS VEB VEF XEU YUM ZMK ZRN ZWD ZWN ZWR";

/// The longest unit that is looked at; real ones are a few dozen characters long.
const MAX_UNIT_BYTES: usize = 256;

/// The one open system behind a value set that is named by bindings but defined nowhere.
pub(crate) fn system_of_value_set(url: &str) -> Option<&'static str> {
    (url == "http://www.rfc-editor.org/bcp/bcp13.txt").then_some(MEDIA_TYPES)
}

/// What the form of a code says.
pub(crate) fn judge(system: &str, code: &str) -> Membership {
    let yes_or_no = |is_member| if is_member { Membership::Member } else { Membership::NotMember };
    match system {
        MEDIA_TYPES => yes_or_no(is_media_type(code)),
        LANGUAGES => yes_or_no(is_language_tag(code)),
        CURRENCIES => yes_or_no(CURRENCY_CODES.split(' ').any(|known| known == code && !code.is_empty())),
        // The form can rule a unit out; whether its atoms exist is for a unit parser to say.
        UNITS if !may_be_unit(code) => Membership::NotMember,
        _ => Membership::Unknown,
    }
}

/// `type/subtype` and parameters: RFC 6838 section 4.2, RFC 2045 section 5.1.
fn is_media_type(code: &str) -> bool {
    let mut parts = code.split(';');
    let is_name = |name: &str| {
        (1..=127).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    let is_type = parts
        .next()
        .and_then(|text| text.trim_end().split_once('/'))
        .is_some_and(|(top, sub)| is_name(top) && is_name(sub));
    is_type
        && parts.all(|parameter| {
            parameter
                .split_once('=')
                .is_some_and(|(name, value)| is_name(name.trim()) && !value.trim().is_empty())
        })
}

/// A well-formed tag, RFC 5646 section 2.1: language, script, region, variants, extensions, private use.
fn is_language_tag(code: &str) -> bool {
    let mut tags = code.split('-').peekable();
    let alphanumeric = |tag: &str| tag.bytes().all(|b| b.is_ascii_alphanumeric());
    let letters = |tag: &str| tag.bytes().all(|b| b.is_ascii_alphabetic());
    let digits = |tag: &str| tag.bytes().all(|b| b.is_ascii_digit());
    if !code.split('-').all(|tag| (1..=8).contains(&tag.len()) && alphanumeric(tag)) {
        return false;
    }
    let Some(language) = tags.next() else { return false };
    if matches!(language, "x" | "X") {
        return tags.peek().is_some();
    }
    if matches!(language, "i" | "I") {
        // The tags that were registered before the rules: i-klingon.
        return tags.next().is_some_and(|tag| tag.len() >= 2);
    }
    if language.len() < 2 || !letters(language) {
        return false;
    }
    for _ in 0..3 {
        tags.next_if(|tag| language.len() <= 3 && tag.len() == 3 && letters(tag));
    }
    tags.next_if(|tag| tag.len() == 4 && letters(tag));
    tags.next_if(|tag| tag.len() == 2 && letters(tag) || tag.len() == 3 && digits(tag));
    while tags
        .next_if(|tag| tag.len() >= 5 || tag.len() == 4 && tag.starts_with(|c: char| c.is_ascii_digit()))
        .is_some()
    {}
    while let Some(singleton) = tags.next() {
        let is_private = matches!(singleton, "x" | "X");
        if singleton.len() != 1 || tags.next_if(|tag| is_private || tag.len() >= 2).is_none() {
            return false;
        }
        while tags.next_if(|tag| is_private || tag.len() >= 2).is_some() {}
    }
    true
}

/// Printable ASCII without blanks, brackets and braces in pairs: UCUM section 2.
fn may_be_unit(code: &str) -> bool {
    if code.is_empty() || code.len() > MAX_UNIT_BYTES {
        return false;
    }
    let mut in_braces = false;
    let mut in_brackets = false;
    let mut depth = 0usize;
    for byte in code.bytes() {
        match byte {
            b'{' if in_braces => return false,
            b'{' => in_braces = true,
            b'}' if !in_braces => return false,
            b'}' => in_braces = false,
            // An annotation may hold anything printable.
            b' '..=b'~' if in_braces => {}
            b'[' if in_brackets => return false,
            b'[' => in_brackets = true,
            b']' if !in_brackets => return false,
            b']' => in_brackets = false,
            b'(' => depth += 1,
            b')' if depth == 0 => return false,
            b')' => depth -= 1,
            b'!'..=b'~' => {}
            _ => return false,
        }
    }
    !in_braces && !in_brackets && depth == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use Membership::{Member, NotMember, Unknown};

    #[test]
    fn a_code_of_an_open_system_is_judged_by_its_form() {
        for (system, code, expected) in [
            (MEDIA_TYPES, "text/plain", Member),
            (MEDIA_TYPES, "application/fhir+json; fhirVersion=4.0", Member),
            (MEDIA_TYPES, "text/plain;charset=utf-8", Member),
            (MEDIA_TYPES, "text", NotMember),
            (MEDIA_TYPES, "text/", NotMember),
            (MEDIA_TYPES, "text/plain; charset", NotMember),
            (MEDIA_TYPES, "text/pl ain", NotMember),
            (LANGUAGES, "en", Member),
            (LANGUAGES, "en-US", Member),
            (LANGUAGES, "zh-Hant-TW", Member),
            (LANGUAGES, "zh-yue-HK", Member),
            (LANGUAGES, "de-CH-1996", Member),
            (LANGUAGES, "es-419", Member),
            (LANGUAGES, "en-u-ca-gregory-x-a", Member),
            (LANGUAGES, "x-ours", Member),
            (LANGUAGES, "i-klingon", Member),
            (LANGUAGES, "english language", NotMember),
            (LANGUAGES, "en_US", NotMember),
            (LANGUAGES, "e", NotMember),
            (LANGUAGES, "en-", NotMember),
            (LANGUAGES, "en-u", NotMember),
            (LANGUAGES, "x", NotMember),
            (LANGUAGES, "", NotMember),
            (CURRENCIES, "USD", Member),
            (CURRENCIES, "DEM", Member),
            (CURRENCIES, "usd", NotMember),
            (CURRENCIES, "ZZZ", NotMember),
            (CURRENCIES, "", NotMember),
            (CURRENCIES, "USD EUR", NotMember),
            (UNITS, "mm[Hg]", Unknown),
            (UNITS, "{with blank}/d", Unknown),
            (UNITS, "mm Hg", NotMember),
            (UNITS, "mm[Hg", NotMember),
            (UNITS, "(m", NotMember),
            (UNITS, "µg", NotMember),
            (UNITS, "", NotMember),
            ("http://snomed.info/sct", "1", Unknown),
        ] {
            assert_eq!(judge(system, code), expected, "{system} {code}");
        }
    }
}
