//! `Patient/$everything` and `Encounter/$everything`
//! (<https://hl7.org/fhir/R4/operation-patient-everything.html>,
//! <https://hl7.org/fhir/R4/operation-encounter-everything.html>).
//!
//! The compartment comes first, newest first, then what it refers to: each resource once. Without
//! `_count` all of it is one Bundle, unless that would be too large to hold; then, and with `_count`,
//! it comes in pages that follow each other by the number of the last resource.

mod links;
mod place;
mod request;

use super::{Invocation, Operation, Target};
use crate::rest::url::encode_query;
use crate::rest::{Answer, Context, Page};
use links::Links;
use place::Place;
use remit_fhir::{Error, IssueType, Kind, Result};
use remit_search::{CURSOR_PARAMETER, Condition, Key, Query};
use remit_spec::TypeId;
use remit_store::{Match, Stored};
use request::Request;

const PATIENT: &str = "http://hl7.org/fhir/OperationDefinition/Patient-everything";
const ENCOUNTER: &str = "http://hl7.org/fhir/OperationDefinition/Encounter-everything";

/// Patients whose records one call at the level of the type returns together. The definition lets a
/// server refuse more; whoever wants thousands wants files, not a Bundle.
const MAX_OWNERS: usize = 200;

/// Resources that one statement reads.
const CHUNK: usize = 1000;

/// Bytes of resources in one Bundle; from there on it is continued by a link. The largest records met
/// in practice have 20 MB without images.
const MAX_PAGE_BYTES: usize = 32 << 20;

/// Resources outside the compartment that it may refer to: they are gathered in memory.
const MAX_REFERENCED: usize = 20_000;

/// Steps from a supporting resource to the next: role, practitioner, organization, its parents.
const MAX_STEPS: usize = 8;

/// Both operations.
pub fn operations() -> Vec<Operation> {
    [PATIENT, ENCOUNTER].map(|url| Operation::new(url, |call| Box::pin(run(call)))).into()
}

async fn run(call: Invocation<'_>) -> Result<Answer> {
    let request = Request::read(&call)?;
    let owners = owners(&call).await?;
    let Some((of, path)) = owner_type(&call) else {
        return Err(Error::internal("$everything was called where its definition does not put it"));
    };
    let ids: Vec<&str> = owners.iter().map(String::as_str).collect();
    let record = Record { cx: call.cx, of, ids, request: &request };
    let page = record.page(request.place(&path)?).await?;
    Ok(Answer::of(render(&call.cx, &request, &path, &page)))
}

/// The type of the owners, and the path that is called.
fn owner_type(call: &Invocation<'_>) -> Option<(TypeId, String)> {
    match &call.target {
        Target::Instance(ty, id) => Some((*ty, format!("{}/{id}/$everything", call.cx.defs.name(*ty)))),
        Target::Type(ty) => Some((*ty, format!("{}/$everything", call.cx.defs.name(*ty)))),
        _ => None,
    }
}

/// Ids of those whose records are asked for: one, or all that the caller may see.
async fn owners(call: &Invocation<'_>) -> Result<Vec<String>> {
    let cx = &call.cx;
    match &call.target {
        Target::Instance(ty, id) => {
            cx.store.read(cx.plan, *ty, id).await?;
            Ok(vec![(*id).to_owned()])
        }
        Target::Type(ty) => {
            let all = Query { types: vec![*ty], ..Query::default() };
            let ids = cx.store.ids(cx.plan, &all, MAX_OWNERS + 1).await?;
            if ids.len() > MAX_OWNERS {
                return Err(Error::new(
                    Kind::Unprocessable,
                    format!("These are the records of more than {MAX_OWNERS} patients; ask for them one by one, as Patient/ID/$everything."),
                )
                .coded(IssueType::TooCostly));
            }
            Ok(ids)
        }
        _ => Ok(Vec::new()),
    }
}

/// What is asked for.
struct Record<'a> {
    cx: Context<'a>,
    of: TypeId,
    ids: Vec<&'a str>,
    request: &'a Request,
}

/// A page of the answer.
#[derive(Default)]
struct Part {
    members: Vec<Match>,
    referenced: Vec<Match>,
    next: Option<Place>,
    is_all: bool,
}

impl Record<'_> {
    async fn page(&self, place: Option<Place>) -> Result<Part> {
        let mut part = Part::default();
        let after = match place {
            Some(Place::Referenced(_)) => None,
            Some(Place::Members(rid)) => Some(Some(rid)),
            None => Some(None),
        };
        if let Some(after) = after {
            let filter = self.members(self.request.changed(&self.cx)?);
            let (members, more) = self.gather(&filter, after, self.request.count).await?;
            if more {
                part.next = members.last().map(|last| Place::Members(last.rid));
                part.members = members;
                return Ok(part);
            }
            part.members = members;
        }
        let is_whole = place.is_none() && self.request.is_unfiltered();
        let links = match is_whole {
            true => self.links_of(&part.members),
            false => self.all_links().await?,
        };
        let referenced = self.referenced(links).await?;
        self.take_referenced(&mut part, referenced, place);
        part.is_all = place.is_none() && part.next.is_none();
        Ok(part)
    }

    /// The members of the compartment that meet a further condition.
    fn members(&self, further: Condition) -> Query {
        let registry = self.cx.store.registry();
        let name = self.cx.defs.name(self.of);
        let listed = self.cx.defs.compartment(name).into_iter().flat_map(|c| c.members().map(|(ty, _)| ty));
        let mut types: Vec<TypeId> = listed.chain([self.of]).collect();
        types.retain(|ty| self.request.wants(*ty));
        let owned = remit_search::owned(self.of, &self.ids, &types, registry);
        let care = remit_search::care_dates(self.request.start, self.request.end, registry);
        let criteria = [owned, care, further].into_iter().filter(|c| *c != Condition::All(Vec::new()));
        Query { criteria: criteria.collect(), ..Query::default() }
    }

    /// Up to `count` matches after the resource of a number, and whether there are more.
    async fn gather(
        &self,
        filter: &Query,
        after: Option<i64>,
        count: Option<usize>,
    ) -> Result<(Vec<Match>, bool)> {
        let (mut all, mut bytes): (Vec<Match>, usize) = (Vec::new(), 0);
        loop {
            let room = count.map_or(CHUNK, |count| (count - all.len()).min(CHUNK));
            let last = all.last().map(|m| m.rid).or(after);
            let query = Query { count: room, cursor: last.map(|rid| vec![Key::Int(rid)]), ..filter.clone() };
            let (some, more) = self.cx.store.matches(self.cx.plan, &query).await?;
            bytes += some.iter().map(|m| size(&m.stored)).sum::<usize>();
            all.extend(some);
            let is_full = count.is_some_and(|count| all.len() >= count) || bytes >= MAX_PAGE_BYTES;
            if !more || is_full {
                return Ok((all, more));
            }
        }
    }

    fn links_of(&self, members: &[Match]) -> Links {
        let mut links = Links::new(self.cx.defs, self.cx.index_base());
        for member in members {
            links.add(&member.stored);
        }
        links
    }

    /// What the whole compartment refers to, whatever of it is asked for. It is read again chunk by
    /// chunk: what refers to what is not told by any index from the referring side.
    async fn all_links(&self) -> Result<Links> {
        let everything = self.request.unfiltered();
        let record = Record { cx: self.cx, of: self.of, ids: self.ids.clone(), request: &everything };
        let filter = record.members(Condition::All(Vec::new()));
        let mut links = Links::new(self.cx.defs, self.cx.index_base());
        let mut after = None;
        loop {
            let (some, more) = record.gather(&filter, after, Some(CHUNK)).await?;
            some.iter().for_each(|member| links.add(&member.stored));
            after = some.last().map(|m| m.rid);
            if !more {
                return Ok(links);
            }
        }
    }

    /// The resources outside that are referred to, and what these need in turn, newest first.
    async fn referenced(&self, mut links: Links) -> Result<Vec<Match>> {
        // What the compartment of a patient lists is somebody's record; anything else serves many of them.
        let records = self.cx.defs.compartment("Patient");
        let is_supporting = |ty: TypeId| records.is_some_and(|c| c.parameters(ty).is_empty());
        let mut all: Vec<Match> = Vec::new();
        for _ in 0..MAX_STEPS {
            let fresh = links.take();
            if fresh.is_empty() {
                break;
            }
            if all.len() + fresh.len() > MAX_REFERENCED {
                return Err(Error::new(
                    Kind::Unprocessable,
                    format!("The records refer to more than {MAX_REFERENCED} other resources; ask for fewer with start and end."),
                )
                .coded(IssueType::TooCostly));
            }
            let found = self.cx.store.by_id(self.cx.plan, &fresh).await?;
            found.iter().filter(|m| is_supporting(m.stored.ty)).for_each(|m| links.add(&m.stored));
            all.extend(found);
        }
        let (wanted, since) = (self.request, self.request.since);
        all.retain(|m| wanted.wants(m.stored.ty) && since.is_none_or(|since| m.stored.updated_us >= since));
        all.sort_unstable_by_key(|m| std::cmp::Reverse(m.rid));
        Ok(all)
    }

    /// Puts what fits of the referenced resources on the page.
    fn take_referenced(&self, part: &mut Part, all: Vec<Match>, place: Option<Place>) {
        let after = match place {
            Some(Place::Referenced(rid)) => rid,
            _ => i64::MAX,
        };
        let mut bytes: usize = part.members.iter().map(|m| size(&m.stored)).sum();
        // As in a search, _count counts matches; what comes along is on top when it all comes at once.
        let room = match place {
            None => usize::MAX,
            Some(_) => {
                self.request.count.map_or(usize::MAX, |count| count.saturating_sub(part.members.len()))
            }
        };
        for found in all.into_iter().filter(|m| m.rid < after) {
            if part.referenced.len() >= room || bytes >= MAX_PAGE_BYTES {
                let last = part.referenced.last().map_or(after, |m| m.rid);
                part.next = Some(Place::Referenced(last));
                return;
            }
            bytes += size(&found.stored);
            part.referenced.push(found);
        }
    }
}

fn size(stored: &Stored) -> usize {
    stored.body.as_ref().map_or(0, |body| body.len())
}

fn render(cx: &Context<'_>, request: &Request, path: &str, part: &Part) -> bytes::Bytes {
    let url = |place: Option<Place>| {
        let cursor = place.map(|place| place.render(request.fingerprint(path)));
        let pairs = request.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let query = encode_query(pairs.chain(cursor.as_deref().map(|cursor| (CURSOR_PARAMETER, cursor))));
        format!("{}/{path}{}{query}", cx.base, if query.is_empty() { "" } else { "?" })
    };
    let mut links = vec![("self", url(request.here(path))), ("first", url(None))];
    links.extend(part.next.map(|place| ("next", url(Some(place)))));
    let total = part.is_all.then_some(part.members.len() as u64);
    let all = part.members.iter().chain(&part.referenced);
    let room = all.map(|m| Page::room(m.stored.body.as_ref())).sum();
    let mut page = Page::new("searchset", total, &links, room);
    for (mode, matches) in [("match", &part.members), ("include", &part.referenced)] {
        for Match { stored, .. } in matches {
            let url = [cx.base, "/", cx.defs.name(stored.ty), "/", &stored.id];
            page.entry(Some(url), stored.body.as_deref(), &["\"search\":{\"mode\":\"", mode, "\"}"]);
        }
    }
    page.finish()
}
