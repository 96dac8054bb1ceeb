//! `GET /v1/usage/totals`: every customer, in the order of their first events, page by page.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::customer::{CSV_HEADER, Customer};
use super::form::Form;
use super::pieces::{self, PIECE_BYTES, Pieces};
use super::question::{self, question};
use super::{look, reader_at};
use crate::server::app::App;
use crate::server::parameters::{Parameters, no_cursor};
use crate::server::problem::Problem;
use crate::sinks::usage::{CustomerNumber, Question, UsageError, UsageReader};

/// Customers in one answer, unless `limit` says otherwise.
pub(in crate::server) const LIMIT_DEFAULT: usize = 100;
/// Customers in one answer at most.
pub(in crate::server) const LIMIT_MAX: usize = 1000;

/// How many events each customer has sent. The next page is told in JSON by `next`, and in both forms by
/// a `Link` (RFC 8288).
pub(in crate::server) async fn all(
    State(app): State<Arc<App>>,
    parameters: Parameters,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    parameters.check(question::OF_ALL)?;
    let question = question(&parameters)?;
    let limit = parameters.limit(LIMIT_DEFAULT, LIMIT_MAX)?;
    let after = parameters.get("cursor").map(customer_behind).transpose()?;
    let form = Form::asked(&headers);
    let reader = reader_at(&app, app.ready()?, parameters.position()).await?;
    // One more tells whether there is a next page.
    let mut customers =
        look(Arc::clone(&reader), move |reader| reader.customers(after, limit + 1)).await?;
    let is_last = customers.len() <= limit;
    customers.truncate(limit);
    let next = customers.last().filter(|_| !is_last).map(|(number, _)| *number);
    let customers = customers.into_iter().map(|(_, name)| name).collect();
    let page =
        All { form, reader, question, customers, writing: None, next, begun: false, ended: false };
    let mut response = pieces::answer(form.media(), move || Ok(page)).await?;
    if let Some(link) = next.and_then(|next| link(query.as_deref(), next)) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// A cursor is the number of the last customer that was told.
fn customer_behind(cursor: &str) -> Result<CustomerNumber, Problem> {
    cursor.parse().map(CustomerNumber).map_err(|_| no_cursor())
}

/// The same query with another cursor.
fn link(query: Option<&str>, next: CustomerNumber) -> Option<HeaderValue> {
    let others = query.unwrap_or_default().split('&');
    let others = others.filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let cursor = format!("cursor={}", next.0);
    let query = others.chain([cursor.as_str()]).collect::<Vec<_>>().join("&");
    HeaderValue::try_from(format!("</v1/usage/totals?{query}>; rel=\"next\"")).ok()
}

/// A page of customers. Each is looked up when it is written: one of them is in memory.
struct All {
    form: Form,
    reader: Arc<UsageReader>,
    question: Question,
    customers: VecDeque<String>,
    writing: Option<Customer>,
    next: Option<CustomerNumber>,
    /// Whether something is written already.
    begun: bool,
    ended: bool,
}

impl Pieces for All {
    fn next(&mut self) -> Result<Option<Bytes>, UsageError> {
        if self.ended {
            return Ok(None);
        }
        let mut piece = pieces::piece();
        if !std::mem::replace(&mut self.begun, true) {
            piece.extend_from_slice(match self.form {
                Form::Json => br#"{"customers":["#,
                Form::Csv => CSV_HEADER.as_bytes(),
            });
        }
        while piece.len() < PIECE_BYTES {
            if let Some(writing) = &mut self.writing {
                if !writing.write(&mut piece) {
                    break;
                }
                self.writing = None;
                if self.form == Form::Json && !self.customers.is_empty() {
                    piece.push(b',');
                }
            }
            let Some(customer) = self.customers.pop_front() else {
                self.end(&mut piece);
                break;
            };
            let totals = self.reader.total(&customer, &self.question)?;
            self.writing = Some(Customer::new(self.form, &customer, &totals));
        }
        Ok(Some(piece.into()))
    }
}

impl All {
    fn end(&mut self, piece: &mut Vec<u8>) {
        self.ended = true;
        if self.form == Form::Json {
            let next = self.next.map(|next| format!("\"{}\"", next.0));
            piece.extend_from_slice(br#"],"next":"#);
            piece.extend_from_slice(next.as_deref().unwrap_or("null").as_bytes());
            piece.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_the_same_query_with_another_cursor() {
        for (query, next) in [
            (None, "</v1/usage/totals?cursor=7>; rel=\"next\""),
            (
                Some("limit=2&cursor=5&starting_at=2024-07-01T00:00:00%2B02:00"),
                "</v1/usage/totals?limit=2&starting_at=2024-07-01T00:00:00%2B02:00&cursor=7>; rel=\"next\"",
            ),
        ] {
            assert_eq!(link(query, CustomerNumber(7)).unwrap(), next);
        }
    }
}
