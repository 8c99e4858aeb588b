//! Behaviour of the writing interactions against a store on SQLite.

mod bundles;
mod single;

use super::{Answer, Context, Request, Running, Settings, read, route};
use remit_fhir::{Document, Error, Result};
use remit_search::AccessPlan;
use remit_spec::{Definitions, TypeId};
use remit_store::{Config, Store};
use serde_json::Value;
use std::path::PathBuf;

const BASE: &str = "http://localhost/fhir";

/// A store in a folder of its own, gone with the value.
struct Server {
    store: Store,
    plan: AccessPlan,
    settings: Settings,
    folder: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    async fn open() -> Server {
        let folder = std::env::temp_dir().join(format!("remit-rest-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let url = format!("sqlite:{}", folder.join("test.db").display());
        let store = Store::open(&Config::new(url.parse().unwrap())).await.unwrap();
        Server { store, plan: AccessPlan::open(1), settings: Settings::default(), folder }
    }

    fn cx(&self) -> Context<'_> {
        Context {
            store: &self.store,
            plan: &self.plan,
            defs: Definitions::r4(),
            base: BASE,
            settings: &self.settings,
        }
    }

    async fn read(&self, path: &str) -> Result<Value> {
        let (ty, id) = path.split_once('/').unwrap();
        let stored = self.store.read(&self.plan, ty_of(ty), id).await?;
        Ok(serde_json::from_slice(&stored.body.unwrap()).unwrap())
    }

    /// Sends a Bundle; gives the response, or status and issues of the error.
    async fn send(&self, bundle: Value) -> std::result::Result<Value, (u16, Value)> {
        self.send_with(bundle, super::Preference::Minimal).await
    }

    async fn send_with(
        &self,
        bundle: Value,
        preference: super::Preference,
    ) -> std::result::Result<Value, (u16, Value)> {
        let cx = self.cx();
        let run = |request: Request| -> Running<'_> { Box::pin(get(cx, request)) };
        let answer = super::bundle(&cx, document(bundle), preference, &run).await;
        answer.map(|answer| json(&answer)).map_err(|error| (error.status(), error.outcome()))
    }
}

/// Reads of one resource, as the HTTP room would run them.
async fn get(cx: Context<'_>, request: Request) -> Result<Answer> {
    match route::Route::parse(cx.defs, &request.path)? {
        route::Route::Instance(ty, id) => read::read(&cx, ty, &id, &read::Held::default()).await,
        _ => Err(Error::not_found("Only instances are read in these tests.")),
    }
}

fn ty_of(name: &str) -> TypeId {
    Definitions::r4().resource_named(name).unwrap()
}

fn document(value: Value) -> Document {
    remit_fhir::json::parse(value.to_string()).unwrap()
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(answer.body.as_ref().unwrap()).unwrap()
}

fn id_of(answer: &Answer) -> String {
    answer.location.clone().unwrap().1
}
