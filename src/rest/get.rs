//! Every GET of the API but metadata and operations, on one value: a route with its parameters
//! (<https://hl7.org/fhir/R4/http.html#summary>). HTTP and the GET entries of a batch both come here.

use super::read::{self, Held};
use super::route::Route;
use super::search::{self, Place};
use super::url::Pair;
use super::{Answer, Context, history, job};
use remit_fhir::{Error, Kind, Result};
use remit_search::Handling;
use remit_store::Scope;

/// Answers `GET` of a route with its parameters.
pub async fn get(
    cx: &Context<'_>,
    route: &Route<'_>,
    pairs: &[Pair],
    held: &Held<'_>,
    handling: Handling,
) -> Result<Answer> {
    match route {
        Route::Instance(ty, id) => {
            let answer = read::read(cx, *ty, id, held).await?;
            read::cut(cx, pairs, handling, answer)
        }
        Route::Version(ty, id, version) => {
            let answer = read::vread(cx, *ty, id, version, held).await?;
            read::cut(cx, pairs, handling, answer)
        }
        Route::InstanceHistory(ty, id) => {
            let path = format!("{}/{id}/_history", cx.defs.name(*ty));
            history::history(cx, Scope::Instance(*ty, id.to_string()), &path, pairs, handling).await
        }
        Route::TypeHistory(ty) => {
            let path = format!("{}/_history", cx.defs.name(*ty));
            history::history(cx, Scope::Type(*ty), &path, pairs, handling).await
        }
        Route::Job(id) => job::job(cx, id).await,
        Route::SystemHistory => history::history(cx, Scope::System, "_history", pairs, handling).await,
        Route::Type(_) | Route::System | Route::Compartment(..) => searched(cx, route, pairs, handling).await,
        Route::SystemSearch | Route::TypeSearch(_) | Route::CompartmentSearch(..) => Err(Error::new(
            Kind::MethodNotAllowed,
            "_search is sent with POST and the parameters as a form; with GET they stand in the URL, without _search.",
        )),
        Route::Metadata
        | Route::SystemOperation(_)
        | Route::TypeOperation(..)
        | Route::InstanceOperation(..)
        | Route::VersionOperation(..) => Err(Error::new(
            Kind::NotImplemented,
            "This request cannot be an entry of a batch; send it by itself.",
        )),
    }
}

/// Answers the search that a route names, with GET or as POST `_search`.
pub async fn searched(
    cx: &Context<'_>,
    route: &Route<'_>,
    pairs: &[Pair],
    handling: Handling,
) -> Result<Answer> {
    let place = match route {
        Route::Type(ty) | Route::TypeSearch(ty) => Place::Type(*ty),
        Route::Compartment(of, id, ty) | Route::CompartmentSearch(of, id, ty) => {
            Place::Compartment(*of, id, *ty)
        }
        _ => Place::System,
    };
    search::search(cx, place, pairs, handling).await
}
