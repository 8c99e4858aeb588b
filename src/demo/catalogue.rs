//! What the practice sells, whom it bills, who works there. All names are invented.
//!
//! Services are HCPCS Level II codes, which are public, and codes of the practice's own for office
//! visits, whose usual codes are not. Diagnoses are ICD-10-CM, in the public domain.

/// A service with its fee.
pub(super) struct Service {
    pub code: &'static str,
    pub display: &'static str,
    /// The practice's fee in cents for one unit.
    pub fee: i64,
    /// The most units on one line.
    pub max_units: i64,
    /// An office visit: a code of the practice's own, and the copay falls on it.
    pub visit: bool,
}

const fn visit(code: &'static str, display: &'static str, fee: i64) -> Service {
    Service { code, display, fee, max_units: 1, visit: true }
}

const fn hcpcs(code: &'static str, display: &'static str, fee: i64, max_units: i64) -> Service {
    Service { code, display, fee, max_units, visit: false }
}

/// How many of [`SERVICES`], from the first, are visits.
pub(super) const VISITS: usize = 5;

pub(super) const SERVICES: &[Service] = &[
    visit("OV-1", "Office visit, brief", 9_500),
    visit("OV-2", "Office visit, short", 13_500),
    visit("OV-3", "Office visit, usual", 19_800),
    visit("OV-4", "Office visit, long", 28_450),
    visit("OV-5", "Office visit, complex", 39_725),
    hcpcs("G0439", "Annual wellness visit, subsequent", 21_450, 1),
    hcpcs("G0444", "Depression screening, annual", 3_275, 1),
    hcpcs("G0442", "Alcohol misuse screening, annual", 3_150, 1),
    hcpcs("G0447", "Behavioral counseling for obesity, 15 minutes", 4_680, 2),
    hcpcs("G0108", "Diabetes self-management training, individual, 30 minutes", 9_125, 2),
    hcpcs("G0008", "Administration of influenza vaccine", 4_400, 1),
    hcpcs("G0009", "Administration of pneumococcal vaccine", 4_400, 1),
    hcpcs("J1885", "Injection, ketorolac tromethamine, per 15 mg", 1_890, 4),
    hcpcs("J3420", "Injection, vitamin B-12 cyanocobalamin, up to 1000 mcg", 1_645, 1),
    hcpcs("J0696", "Injection, ceftriaxone sodium, per 250 mg", 2_260, 4),
    hcpcs("J1100", "Injection, dexamethasone sodium phosphate, 1 mg", 715, 8),
    hcpcs("J7613", "Albuterol, inhalation solution, unit dose, 1 mg", 985, 3),
    hcpcs("Q0091", "Screening Papanicolaou smear, obtaining and preparing", 6_930, 1),
];

pub(super) const DIAGNOSES: &[(&str, &str)] = &[
    ("I10", "Essential (primary) hypertension"),
    ("E11.9", "Type 2 diabetes mellitus without complications"),
    ("E78.5", "Hyperlipidemia, unspecified"),
    ("J06.9", "Acute upper respiratory infection, unspecified"),
    ("M54.50", "Low back pain, unspecified"),
    ("F41.1", "Generalized anxiety disorder"),
    ("J45.909", "Unspecified asthma, uncomplicated"),
    ("N39.0", "Urinary tract infection, site not specified"),
    ("K21.9", "Gastro-esophageal reflux disease without esophagitis"),
    ("E03.9", "Hypothyroidism, unspecified"),
    ("R05.9", "Cough, unspecified"),
    ("Z00.00", "Encounter for general adult medical examination without abnormal findings"),
];

/// A reason to deny: group, claim adjustment reason code, remark code, weight.
pub(super) type Reason = (&'static str, &'static str, Option<&'static str>, i64);

/// How a payer behaves.
pub(super) struct Payer {
    pub name: &'static str,
    /// Share of the practice's insured patients, in weights.
    pub weight: i64,
    /// The contract's price, per mille of the fee, for visits and for all else.
    pub visit_rate: i64,
    pub other_rate: i64,
    /// Claims denied whole, and claims with one line denied, per mille.
    pub denied: i64,
    pub line_denied: i64,
    /// Claims paid below the contract, per mille.
    pub underpaid: i64,
    /// Days from submission to the remittance: from, to.
    pub days: (i64, i64),
    /// More days for claims submitted from September to November.
    pub autumn_days: i64,
    /// It remits on this day of the week.
    pub weekday: i64,
    /// Patient's share: deductible a year and copay a visit in cents, coinsurance in percent.
    pub deductible: i64,
    pub copay: i64,
    pub coinsurance: i64,
    /// Days from the denial within which an appeal must be filed.
    pub appeal_days: i64,
    pub reasons: &'static [Reason],
}

pub(super) const PAYERS: &[Payer] = &[
    Payer {
        name: "Blue Mesa Health Plan",
        weight: 45,
        visit_rate: 760,
        other_rate: 815,
        denied: 55,
        line_denied: 35,
        underpaid: 12,
        days: (9, 16),
        autumn_days: 0,
        weekday: 2,
        deductible: 50_000,
        copay: 2_500,
        coinsurance: 20,
        appeal_days: 180,
        reasons: &[
            ("CO", "197", None, 40),
            ("CO", "16", Some("M76"), 30),
            ("CO", "50", None, 20),
            ("PR", "27", None, 10),
        ],
    },
    Payer {
        name: "Prairie Mutual Insurance",
        weight: 33,
        visit_rate: 655,
        other_rate: 700,
        denied: 95,
        line_denied: 60,
        underpaid: 55,
        days: (13, 24),
        autumn_days: 21,
        weekday: 4,
        deductible: 75_000,
        copay: 3_500,
        coinsurance: 30,
        appeal_days: 90,
        reasons: &[
            ("CO", "16", Some("N382"), 35),
            ("CO", "197", None, 25),
            ("CO", "97", None, 20),
            ("PR", "204", None, 12),
            ("CO", "29", None, 8),
        ],
    },
    Payer {
        name: "High Plains Community Care",
        weight: 22,
        visit_rate: 485,
        other_rate: 610,
        denied: 120,
        line_denied: 45,
        underpaid: 8,
        days: (19, 31),
        autumn_days: 0,
        weekday: 5,
        deductible: 0,
        copay: 300,
        coinsurance: 0,
        appeal_days: 60,
        reasons: &[
            ("CO", "31", None, 25),
            ("CO", "252", Some("M127"), 30),
            ("CO", "96", Some("N130"), 25),
            ("CO", "151", None, 20),
        ],
    },
];

/// What a contract pays for one unit, in cents.
pub(super) fn contract_price(payer: &Payer, service: &Service) -> i64 {
    let rate = if service.visit { payer.visit_rate } else { payer.other_rate };
    (service.fee * rate + 500) / 1_000
}

/// Given name, family name, prefix and suffix of those who work there.
pub(super) const PRACTITIONERS: &[(&str, &str, &str)] = &[
    ("Marisol", "Quintero-Vale", "MD"),
    ("Desmond", "Okparaeke", "MD"),
    ("Ingrid", "Halvorsrud", "DO"),
    ("Theo", "Brannaghan", "NP"),
    ("Priyanka", "Suryadevan", "PA"),
];

pub(super) const LOCATIONS: &[(&str, &str, &str)] = &[
    ("Juniper Ridge Clinic", "210 Juniper Ridge Road", "80999"),
    ("Juniper Ridge at Mill Creek", "4 Mill Creek Plaza", "80998"),
];

pub(super) const GIVEN: &[(&str, &str)] = &[
    ("Adela", "female"),
    ("Bram", "male"),
    ("Celestine", "female"),
    ("Dario", "male"),
    ("Elowen", "female"),
    ("Fitz", "male"),
    ("Greta", "female"),
    ("Hakim", "male"),
    ("Isaura", "female"),
    ("Jorah", "male"),
    ("Keziah", "female"),
    ("Lorcan", "male"),
    ("Mireille", "female"),
    ("Nikolai", "male"),
    ("Odessa", "female"),
    ("Percival", "male"),
    ("Quilla", "female"),
    ("Ruben", "male"),
    ("Saoirse", "female"),
    ("Tobias", "male"),
];

pub(super) const FAMILY: &[&str] = &[
    "Abernethy",
    "Bellweather",
    "Castellane",
    "Drummondson",
    "Eastlake",
    "Fairbourne",
    "Goldhagen",
    "Hollinshed",
    "Inverarity",
    "Jessamine",
    "Kettleburn",
    "Lindqvist-Moore",
    "Montefalco",
    "Nightengale",
    "Oyelaran",
    "Pemberwick",
    "Quillfeather",
    "Ravenscroft",
    "Silvermane",
    "Thackerby",
    "Underhill",
    "Vanderhoeven",
    "Wintergreen",
    "Yarrowby",
    "Zamorano",
];

/// A national provider identifier: nine digits and the check digit of 80840 before them
/// (<https://www.cms.gov/Regulations-and-Guidance/Administrative-Simplification/NationalProvIdentStand>).
pub(super) fn npi(number: u64) -> String {
    let nine = format!("1{:08}", number % 100_000_000);
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    // 24 is what the prefix 80840 adds to the sum.
    let sum: u32 = nine
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0');
            if place % 2 == 0 { doubled(digit) } else { digit }
        })
        .sum();
    format!("{nine}{}", (10 - (sum + 24) % 10) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visits_come_first() {
        assert!(SERVICES.iter().enumerate().all(|(place, service)| service.visit == (place < VISITS)));
    }

    #[test]
    fn an_npi_has_its_check_digit() {
        // The example of the standard: 123456789 has check digit 3.
        assert_eq!(npi(23_456_789), "1234567893");
    }

    #[test]
    fn a_contract_pays_less_than_the_fee() {
        for payer in PAYERS {
            for service in SERVICES {
                let price = contract_price(payer, service);
                assert!(0 < price && price < service.fee, "{} {}", payer.name, service.code);
            }
        }
    }
}
