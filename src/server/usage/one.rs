//! `GET /v1/customers/{id}/total_events`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;

use super::customer::{CSV_HEADER, Customer};
use super::form::Form;
use super::pieces::{self, Pieces};
use super::question::{self, question};
use super::reader_at;
use crate::server::app::App;
use crate::server::extract::InPath;
use crate::server::parameters::Parameters;
use crate::server::problem::Problem;
use crate::sinks::usage::UsageError;

/// How many events a customer has sent.
pub(in crate::server) async fn one(
    State(app): State<Arc<App>>,
    InPath(customer): InPath<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    total_events(&app, customer, &parameters, &headers).await
}

/// The same of the customer whose id is empty, which no path has a place for.
pub(in crate::server) async fn of_empty_id(
    State(app): State<Arc<App>>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    total_events(&app, String::new(), &parameters, &headers).await
}

async fn total_events(
    app: &App,
    customer: String,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    parameters.check(question::OF_ONE)?;
    let question = question(parameters)?;
    let form = Form::asked(headers);
    let reader = reader_at(app, app.ready()?, parameters.position()).await?;
    pieces::answer(form.media(), move || {
        let totals = reader.total(&customer, &question)?;
        let customer = Some(Customer::new(form, &customer, &totals));
        Ok(One { head: if form == Form::Csv { CSV_HEADER } else { "" }, customer })
    })
    .await
}

/// One customer's counts.
struct One {
    head: &'static str,
    customer: Option<Customer>,
}

impl Pieces for One {
    fn next(&mut self) -> Result<Option<Bytes>, UsageError> {
        let Some(customer) = &mut self.customer else { return Ok(None) };
        let mut piece = pieces::piece();
        piece.extend_from_slice(std::mem::take(&mut self.head).as_bytes());
        if customer.write(&mut piece) {
            self.customer = None;
        }
        Ok(Some(piece.into()))
    }
}
