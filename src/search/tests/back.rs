//! Pages before a page: every way to run a search, turned round.

use super::database::Database;

#[test]
fn previous_pages_hold_what_lies_before() {
    let mut database = Database::new();
    let genders = ["male", "female", "other"];
    database.load((1..=30).map(|n| {
        let gender = genders[n % 3];
        // Every fifth has no name and no birth date.
        let rest = match n % 5 {
            0 => String::new(),
            m => format!(r#","name":[{{"family":"N{m}"}}],"birthDate":"20{:02}-01-01""#, n % 7),
        };
        format!(
            r#"{{"resourceType":"Patient","id":"{n}","gender":"{gender}","generalPractitioner":[{{"reference":"Practitioner/p{}"}}]{rest}}}"#,
            n % 4
        )
    }));
    database.load((0..4).map(|n| {
        format!(
            r#"{{"resourceType":"Practitioner","id":"p{n}","active":{},"name":[{{"family":"P"}}]}}"#,
            n > 0
        )
    }));
    let plan = database.plan();
    for (kind, url) in [
        ("Patient", ""),
        ("Patient", "gender=male"),
        ("Patient", "gender=male,female"),
        ("Patient", "gender:not=male"),
        ("Patient", "name=n"),
        ("Patient", "general-practitioner.active=true"),
        ("Patient", "_sort=_id"),
        ("Patient", "_sort=-_lastUpdated"),
        ("Patient", "_sort=birthdate"),
        ("Patient", "_sort=-birthdate,family"),
        ("Patient", "_sort=gender,-family"),
        ("Patient", "_sort=general-practitioner"),
        ("", ""),
        ("", "_type=Patient,Practitioner"),
        ("", "_type=Patient,Practitioner&_sort=_lastUpdated"),
    ] {
        let forward = database.pages(kind, url, 1000, &plan, false);
        assert!(forward.len() > 9, "{kind}?{url}");
        for size in [1, 2, 7, 100] {
            for probed in [false, true] {
                let back = database.pages_back(kind, url, size, &plan, probed);
                assert_eq!(back, forward[..forward.len() - 1], "{kind}?{url} back in pages of {size}");
                assert_eq!(database.pages(kind, url, size, &plan, probed), forward, "{kind}?{url}");
            }
        }
    }
}
