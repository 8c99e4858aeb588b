//! `ViewDefinition/$view-status`: which stored views have their rows in columns, and how far those are
//! that do not have them yet.

use super::App;
use super::fill::job_id;
use crate::operation::{Operation, Target};
use crate::rest::Answer;
use remit_fhir::{Error, Kind, Result};
use remit_mart::{StoredView, ViewState, ViewStatus};
use remit_search::Access;

use serde_json::{Value as Json, json};

const DEFINITION: &str = "https://remit.example/fhir/OperationDefinition/view-status";

impl App {
    /// The operation, bound to this server's mart.
    pub(super) fn view_status(&self) -> Operation {
        let app = self.clone();
        Operation::new(DEFINITION, move |call| {
            let app = app.clone();
            Box::pin(async move {
                let cx = call.cx;
                if let Some(name) = call.parameters.names().first() {
                    let shown: String = name.chars().take(80).collect();
                    return Err(Error::invalid(format!("$view-status has no parameter '{shown}'.")));
                }
                let of = match call.target {
                    Target::Instance(ty, id) => {
                        cx.store.read(cx.plan, ty, id).await?;
                        Some(id.to_owned())
                    }
                    Target::Type(ty) if *cx.plan.access(ty) == Access::Allow => None,
                    _ => return Err(Error::new(Kind::Forbidden, "You may not see all views.")),
                };
                app.feed.catch_up(&app.store, &app.mart).await?;
                let tenant = cx.plan.tenant();
                let all = app.mart.statuses(tenant).into_iter();
                let wanted = all.filter(|status| of.as_ref().is_none_or(|id| *id == status.id));
                let parts: Result<Vec<Json>> =
                    wanted.map(|status| parameter(tenant, cx.base, &status)).collect();
                Ok(Answer::of(json!({ "resourceType": "Parameters", "parameter": parts? }).to_string()))
            })
        })
    }
}

fn parameter(tenant: i32, base: &str, status: &ViewStatus) -> Result<Json> {
    let key = StoredView::key(&status.id);
    let code = match status.state {
        ViewState::Ready => "ready",
        ViewState::Filling => "filling",
        ViewState::Refused(_) => "refused",
    };
    let mut parts = vec![
        json!({ "name": "reference", "valueReference": { "reference": key } }),
        json!({ "name": "version", "valueInteger": status.version }),
        json!({ "name": "state", "valueCode": code }),
    ];
    match &status.state {
        ViewState::Ready => parts.push(json!({ "name": "rows", "valueInteger": status.rows })),
        ViewState::Filling => {
            let job = format!("{base}/job/{}", job_id(tenant, &key, status.version));
            parts.push(json!({ "name": "job", "valueUri": job }));
        }
        ViewState::Refused(reason) => parts.push(json!({ "name": "reason", "valueString": &**reason })),
    }
    Ok(json!({ "name": "view", "part": parts }))
}
