//! History of an instance, a type or everything, newest first, by pages
//! (<https://hl7.org/fhir/R4/http.html#history>).

use super::page::Page;
use super::search::is_general;
use super::subset::Subset;
use super::url::{Pair, encode_query};
use super::{Answer, Context, etag};
use bytes::Bytes;
use remit_fhir::date::{Moment, instant};
use remit_fhir::{Error, Result};
use remit_search::{Handling, Limits, Summary};
use remit_store::{Action, HistoryPage, HistoryQuery, Scope, Stored};

/// The parameter of a next link: where the page before it ended.
const CURSOR: &str = "_before";

/// What a history request asks for.
#[derive(Debug)]
struct Asked {
    query: HistoryQuery,
    subset: Subset,
    /// What was understood, for the links.
    pairs: Vec<Pair>,
}

/// Answers a history request. `path` is the scope below the base, for the links.
pub(super) async fn history(
    cx: &Context<'_>,
    scope: Scope,
    path: &str,
    pairs: &[Pair],
    handling: Handling,
) -> Result<Answer> {
    let asked = parse(scope, pairs, handling, &cx.settings.search)?;
    let page = cx.store.history(cx.plan, &asked.query).await?;
    render(cx, &asked, path, page).map(Answer::of)
}

fn parse(scope: Scope, pairs: &[Pair], handling: Handling, limits: &Limits) -> Result<Asked> {
    let total = matches!(scope, Scope::Instance(..));
    let query =
        HistoryQuery { scope, since: None, at: None, before: None, count: limits.default_count, total };
    let mut asked = Asked { query, subset: Subset::default(), pairs: Vec::new() };
    for (name, value) in pairs {
        let query = &mut asked.query;
        match name.as_str() {
            "_count" => query.count = count(value, limits.max_count)?,
            "_since" => query.since = Some(moment(name, value)?.low),
            "_at" => {
                let at = moment(name, value)?;
                query.at = Some((at.low, at.high));
            }
            "_total" => query.total = value != "none",
            CURSOR => query.before = Some(cursor(value)?),
            _ if asked.subset.take(name, value)? => {}
            _ if is_general(name) || value.is_empty() => continue,
            _ if handling == Handling::Lenient => continue,
            _ => {
                return Err(Error::invalid(format!(
                    "A history request takes _count, _since, _at and the general parameters, not {name}."
                )));
            }
        }
        if name != CURSOR {
            asked.pairs.push((name.clone(), value.clone()));
        }
    }
    if asked.subset.summary == Summary::Count {
        (asked.query.count, asked.query.total) = (0, true);
    }
    Ok(asked)
}

/// `_count`, bounded by what a page may hold.
fn count(value: &str, max: usize) -> Result<usize> {
    let all_digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    if !all_digits {
        return Err(Error::invalid("_count takes a whole number from 0."));
    }
    // A number with more digits than fit is over the limit all the same.
    Ok(value.parse::<usize>().map_or(max, |count| count.min(max)))
}

fn moment(name: &str, value: &str) -> Result<Moment> {
    Moment::parse(value)
        // An unescaped + of a time zone arrives as a space.
        .or_else(|| Moment::parse(&value.replace(' ', "+")))
        .ok_or_else(|| Error::invalid(format!("{name} takes a date or time such as 2024-05-06T07:08:09Z.")))
}

fn cursor(value: &str) -> Result<(i64, i64)> {
    value
        .split_once('.')
        .and_then(|(at, seq)| Some((at.parse().ok()?, seq.parse().ok()?)))
        .ok_or_else(|| Error::invalid("The paging link is damaged: take the link as the server gave it."))
}

fn render(cx: &Context<'_>, asked: &Asked, path: &str, found: HistoryPage) -> Result<Bytes> {
    let url = |extra: Option<(&str, &str)>| {
        let pairs = asked.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let query = encode_query(pairs.chain(extra));
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}/{path}{mark}{query}", cx.base)
    };
    let here = asked.query.before.map(|(at, seq)| format!("{at}.{seq}"));
    let mut links = vec![("self", url(here.as_deref().map(|at| (CURSOR, at))))];
    links.push(("first", url(None)));
    if let Some((at, seq)) = found.next {
        links.push(("next", url(Some((CURSOR, &format!("{at}.{seq}"))))));
    }
    let mut bodies = Vec::with_capacity(found.entries.len());
    for (stored, _) in &found.entries {
        bodies.push(stored.body.as_ref().map(|body| asked.subset.of(cx.defs, body)).transpose()?);
    }
    let room = bodies.iter().map(|body| Page::room(body.as_ref())).sum();
    let mut page = Page::new("history", found.total, &links, room);
    for ((stored, action), body) in found.entries.iter().zip(&bodies) {
        entry(cx, &mut page, stored, *action, body.as_deref());
    }
    Ok(page.finish())
}

fn entry(cx: &Context<'_>, page: &mut Page, stored: &Stored, action: Action, body: Option<&[u8]>) {
    let ty = cx.defs.name(stored.ty);
    let id = stored.id.as_str();
    let (method, status) = match action {
        Action::Create => ("POST", "201"),
        Action::Update => ("PUT", "200"),
        Action::Delete => ("DELETE", "204"),
    };
    let (slash, in_url) = if action == Action::Create { ("", "") } else { ("/", id) };
    let tag = etag(stored.version).replace('"', "\\\"");
    let rest = [
        "\"request\":{\"method\":\"",
        method,
        "\",\"url\":\"",
        ty,
        slash,
        in_url,
        "\"},\"response\":{\"status\":\"",
        status,
        "\",\"etag\":\"",
        &tag,
        "\",\"lastModified\":\"",
        &instant(stored.updated_us),
        "\"}",
    ];
    page.entry(Some([cx.base, "/", ty, "/", id]), body, &rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)], handling: Handling) -> Result<Asked> {
        let pairs: Vec<Pair> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        parse(Scope::System, &pairs, handling, &Limits::default())
    }

    #[test]
    fn the_parameters_of_a_history_are_read() {
        let pairs = [
            ("_count", "5"),
            ("_since", "2024-05-06T07:08:09 02:00"),
            ("_at", "2024"),
            ("_format", "json"),
            ("_before", "17.3"),
        ];
        let read = asked(&pairs, Handling::Strict).unwrap();
        assert_eq!((read.query.count, read.query.before), (5, Some((17, 3))));
        assert_eq!(instant(read.query.since.unwrap()), "2024-05-06T05:08:09.000Z");
        let (low, high) = read.query.at.unwrap();
        assert_eq!(
            (instant(low), instant(high)),
            ("2024-01-01T00:00:00.000Z".into(), "2025-01-01T00:00:00.000Z".into())
        );
        let kept: Vec<_> = read.pairs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(kept, ["_count", "_since", "_at"]);
        assert_eq!(
            asked(&[("_count", "99999999999999999999999")], Handling::Strict).unwrap().query.count,
            Limits::default().max_count
        );
    }

    #[test]
    fn what_a_history_cannot_take_is_refused() {
        for (name, value) in [
            ("_count", "-1"),
            ("_count", "+1"),
            ("_count", ""),
            ("_since", "yesterday"),
            ("_at", "2024-13"),
            ("_before", "x"),
            ("_before", "1"),
            ("_summary", "maybe"),
            ("name", "x"),
        ] {
            assert_eq!(
                asked(&[(name, value)], Handling::Strict).unwrap_err().status(),
                400,
                "{name}={value}"
            );
        }
        assert!(asked(&[("name", "x")], Handling::Lenient).unwrap().pairs.is_empty());
    }
}
