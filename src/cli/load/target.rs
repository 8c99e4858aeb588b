//! Where a load goes: the store itself, or a server over HTTP. Both take a Bundle and give the answer
//! Bundle; both are asked for what is there already.

use super::client::{Client, Url};
use crate::rest;
use bytes::Bytes;
use hyper::Method;
use remit_fhir::{Error, Kind, Result, json};
use remit_search::AccessPlan;
use remit_spec::Definitions;
use remit_store::Store;

/// What references in loaded resources are relative to. Nothing of it is stored.
const BASE: &str = "http://localhost/fhir";

/// Where a load goes.
#[derive(Clone)]
pub(super) enum Target {
    /// Directly into the database.
    Store { store: Store, plan: AccessPlan, settings: Box<rest::Settings> },
    /// Over HTTP.
    Server(Client),
}

/// How a Bundle was answered.
#[derive(Debug)]
pub(super) enum Reply {
    /// The answer Bundle.
    Done(Bytes),
    /// It was refused: status and OperationOutcome.
    Refused(u16, String),
    /// It did not get there, or nobody knows what became of it. Trying again may help.
    Lost(Error),
}

impl Target {
    pub(super) fn server(base: Url) -> Target {
        Target::Server(Client::new(base))
    }

    pub(super) async fn store(store: Store, tenant: &str) -> Result<Target> {
        let found = store.tenant(tenant).await?.ok_or_else(|| {
            Error::invalid(format!("There is no tenant {tenant}; make it with: remit tenant add {tenant}"))
        })?;
        let plan = AccessPlan::system(found.id, "remit load");
        Ok(Target::Store { store, plan, settings: Box::default() })
    }

    /// Sends a Bundle.
    pub(super) async fn send(&self, bundle: &str) -> Reply {
        match self {
            Target::Server(client) => post(client, bundle).await,
            Target::Store { .. } => match self.perform(bundle).await {
                Ok(answer) => Reply::Done(answer.body.unwrap_or_default()),
                Err(error) if is_passing(error.status()) => Reply::Lost(error),
                Err(error) => Reply::Refused(error.status(), error.outcome().to_string()),
            },
        }
    }

    async fn perform(&self, bundle: &str) -> Result<rest::Answer> {
        let Target::Store { store, plan, settings } = self else {
            return Err(Error::internal("a server does not perform here"));
        };
        let cx = rest::Context { store, plan, defs: Definitions::r4(), base: BASE, settings };
        let document = rest::spelled(json::parse(bundle.to_owned())?)?;
        let read = |_| -> rest::Running<'_> {
            Box::pin(async { Err(Error::invalid("A load writes; entries that read are not performed.")) })
        };
        rest::bundle(&cx, document, rest::Preference::Minimal, &read).await
    }

    /// Whether a resource (`Type/id`) was ever there, deleted meanwhile or not.
    pub(super) async fn knows(&self, location: &str) -> Result<bool> {
        match self {
            Target::Server(client) => {
                let answer = client.send(Method::GET, location, &[], Bytes::new()).await?;
                Ok(answer.status != 404)
            }
            Target::Store { store, plan, .. } => {
                let Some((ty, id)) = location.split_once('/') else { return Ok(false) };
                let Some(ty) = Definitions::r4().resource_named(ty) else { return Ok(false) };
                let found = store.current(plan, &[(ty, id.to_owned())]).await?;
                Ok(found.into_iter().flatten().next().is_some())
            }
        }
    }

    /// Whether a search (`Type?identifier=…`) finds something.
    pub(super) async fn finds(&self, search: &str) -> Result<bool> {
        match self {
            Target::Server(client) => {
                let target = format!("{search}&_count=1");
                let answer = client.send(Method::GET, &target, &[], Bytes::new()).await?;
                let text = json::parse(answer.body)?;
                let entry = text.root().get("entry").and_then(|list| list.items().next());
                Ok(answer.status == 200 && entry.is_some())
            }
            Target::Store { store, plan, settings } => {
                let (ty, query) = search.split_once('?').unwrap_or((search, ""));
                let Some(ty) = Definitions::r4().resource_named(ty) else { return Ok(false) };
                let pairs = rest::url::decode_query(query.as_bytes())?;
                let registry = store.registry_of(plan.tenant());
                let reader = remit_search::Context {
                    registry: &registry,
                    base: BASE,
                    now: remit_store::system_clock(),
                    handling: remit_search::Handling::Strict,
                    limits: settings.search,
                };
                let query = remit_search::parse(&[ty], &pairs, &reader)?.query;
                Ok(!store.ids(plan, &query, 1).await?.is_empty())
            }
        }
    }
}

async fn post(client: &Client, bundle: &str) -> Reply {
    let body = Bytes::copy_from_slice(bundle.as_bytes());
    match client.send(Method::POST, "", &[], body).await {
        Ok(answer) if (200..300).contains(&answer.status) => Reply::Done(answer.body),
        Ok(answer) if is_passing(answer.status) => {
            let text = format!("The server answered {}.", answer.status);
            Reply::Lost(Error::new(Kind::Unavailable, text))
        }
        Ok(answer) => Reply::Refused(answer.status, String::from_utf8_lossy(&answer.body).into_owned()),
        Err(error) => Reply::Lost(error),
    }
}

/// Whether the same request may succeed later.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 502 | 503 | 504 | 507)
}
