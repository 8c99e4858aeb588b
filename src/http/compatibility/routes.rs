//! The table of compatibility routes: what each path means in FHIR, and which figures of the answer it
//! shows under which names.

/// One route.
pub(super) struct Facade {
    pub(super) method: &'static str,
    /// Path below `/api`; `{id}` is the id of a resource.
    pub(super) path: &'static str,
    /// The FHIR request behind it; `{id}` is of the path, or an input of that name.
    pub(super) request: &'static str,
    /// Inputs that are always there.
    pub(super) fixed: &'static [(&'static str, &'static str)],
    /// Inputs that are there when the caller gives none of them: a day, so many days before today.
    pub(super) usual: &'static [(&'static str, i64)],
    pub(super) shape: Shape,
}

/// What of the answer is shown.
pub(super) enum Shape {
    /// All of it, as FHIR.
    Whole,
    /// These members.
    Members(&'static [(&'static str, Source)]),
}

/// Where a member comes from.
pub(super) enum Source {
    /// A place in the answer, as a JSON Pointer.
    At(&'static str),
    /// The score of a group.
    Score(&'static str),
    /// The amount of a population of a group.
    Amount(&'static str, &'static str),
    /// The scores of a group by the keys of a stratifier.
    Scores(&'static str, &'static str),
    /// All strata of a group, by their stratifiers.
    Strata(&'static str, &'static [(&'static str, Figure)]),
    /// A place in the one resource that was searched for, which must be there.
    Found(&'static str),
    /// What was found beside it, of a type.
    Beside(&'static str, &'static [(&'static str, &'static str)]),
}

/// A figure of a stratum.
pub(super) enum Figure {
    Score,
    Count(&'static str),
    Amount(&'static str),
}

/// An input of these routes, its name in FHIR, and the type of what it refers to.
pub(super) type Input = (&'static str, &'static str, Option<&'static str>);

/// Other names of inputs. The names of FHIR are understood, too.
pub(super) const INPUTS: &[Input] = &[
    ("start", "periodStart", None),
    ("end", "periodEnd", None),
    ("start_date", "periodStart", None),
    ("end_date", "periodEnd", None),
    ("as_of", "asOf", None),
    ("group_by", "groupBy", None),
    ("facility_ids", "facility", Some("Location")),
    ("provider_ids", "practitioner", Some("Practitioner")),
    ("payer_ids", "payer", Some("Organization")),
];

const REPORT_PERIOD: (&str, Source) = ("period", Source::At("/period"));
const REPORT_TIME: (&str, Source) = ("timestamp", Source::At("/date"));

const DASHBOARD: Shape = Shape::Members(&[
    ("total_charges", Source::Amount("rcm-gross-collection-rate", "denominator")),
    ("collection_rate", Source::Score("rcm-gross-collection-rate")),
    ("denial_rate", Source::Score("rcm-initial-denial-rate")),
    ("ar_days", Source::Score("rcm-days-in-ar")),
    REPORT_TIME,
    REPORT_PERIOD,
]);

const TRENDS: Shape = Shape::Members(&[
    ("denial_rate", Source::Score("volume")),
    (
        "trends",
        Source::Strata(
            "volume",
            &[
                ("denial_rate", Figure::Score),
                ("denied_claims", Figure::Count("numerator")),
                ("claims", Figure::Count("denominator")),
                ("denied_amount", Figure::Amount("numerator")),
            ],
        ),
    ),
    REPORT_TIME,
    REPORT_PERIOD,
]);

const AGEING: Shape = Shape::Members(&[
    ("total", Source::Score("open-balance")),
    ("credits", Source::Score("credits")),
    ("buckets", Source::Scores("open-balance", "bucket")),
    (
        "strata",
        Source::Strata("open-balance", &[("amount", Figure::Score), ("claims", Figure::Count("numerator"))]),
    ),
    ("as_of", Source::At("/period/end")),
    REPORT_TIME,
]);

const STATUS: Shape = Shape::Members(&[
    ("claim_id", Source::Found("/id")),
    ("status", Source::Found("/status")),
    ("created", Source::Found("/created")),
    ("total", Source::Found("/total")),
    (
        "responses",
        Source::Beside(
            "ClaimResponse",
            &[
                ("id", "/id"),
                ("created", "/created"),
                ("outcome", "/outcome"),
                ("disposition", "/disposition"),
                ("payment", "/payment/amount"),
            ],
        ),
    ),
]);

/// A quarter: the window that days in accounts receivable are taken from.
const QUARTER: &[(&str, i64)] = &[("periodStart", 89), ("periodEnd", 0)];
/// A year, so that a trend shows its seasons.
const YEAR: &[(&str, i64)] = &[("periodStart", 364), ("periodEnd", 0)];

const fn get(path: &'static str, request: &'static str, shape: Shape) -> Facade {
    Facade { method: "GET", path, request, fixed: &[], usual: &[], shape }
}

const fn post(path: &'static str, request: &'static str) -> Facade {
    Facade { method: "POST", path, request, fixed: &[], usual: &[], shape: Shape::Whole }
}

/// Every route. One whose operation the server does not have is not there.
pub(super) const ROUTES: &[Facade] = &[
    Facade { usual: QUARTER, ..get("dashboard/kpis", "Measure/rcm-dashboard/$evaluate-measure", DASHBOARD) },
    Facade {
        usual: QUARTER,
        ..get("v1/kpis/dashboard", "Measure/rcm-dashboard/$evaluate-measure", DASHBOARD)
    },
    get("v1/kpis/{id}", "Measure/{id}/$evaluate-measure", Shape::Whole),
    Facade { usual: YEAR, ..get("denials/trends", "$denial-trends", TRENDS) },
    Facade { usual: &[("asOf", 0)], ..get("ar/aging", "$ar-aging", AGEING) },
    post("reports/generate", "$sql-run"),
    post("v1/reports/generate", "$sql-run"),
    Facade {
        fixed: &[("_revinclude", "ClaimResponse:request")],
        ..get("v1/claims/{_id}/status", "Claim", STATUS)
    },
    post("v1/claims/{id}/appeal", "Claim/{id}/$rcm-appeal"),
    post("v1/claims/generate", "Encounter/{encounter}/$generate-claim"),
    post("v1/claims/payment-posting", "$process-remittance"),
];
