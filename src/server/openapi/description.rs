//! The document as it grows: operations, and the components that they share.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::path::Parameter;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ComponentsBuilder, Header, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder,
    PathItem, PathsBuilder, Ref, SecurityRequirement,
};

use super::operation::{Operation, Tag};
use super::refusals::{self, Refusal};
use super::schema::Part;
use crate::server::auth::Scope;

/// What a token is called among the security schemes.
const BEARER: &str = "bearer";

const ABOUT: &str = "\
A line is durable before it is acknowledged, and everything else is a replayable consequence of the \
log.

A request is all or nothing, and durable when it is answered with 200: `position` says where it stands \
in the log. Readers follow the log at their own pace; a GET with that `position` waits until its reader \
has got there.

Every error is a problem document (RFC 9457), also where no operation is described: 404 for a path that \
isn't there, 405 with `Allow` for a method that a path doesn't take. Each GET takes HEAD, too.

Where tokens are configured, every operation but `/health…` needs one with the scope that stands in its \
`security`. Streams are configuration: a daemon's own `/openapi.json` describes its own.";

/// The document as it grows.
pub(super) struct Description {
    is_guarded: bool,
    paths: PathsBuilder,
    components: Components,
}

impl Description {
    /// An empty one, of a daemon that asks for tokens if it is guarded.
    pub(super) fn new(is_guarded: bool) -> Self {
        let token = Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "`windrow token new` makes one. Each has scopes, and streams that it is for.",
            ))
            .build();
        let components =
            ComponentsBuilder::new().security_scheme(BEARER, SecurityScheme::Http(token));
        Self { is_guarded, paths: PathsBuilder::new(), components: components.build() }
    }

    /// Adds a schema that others name.
    pub(super) fn schema(&mut self, name: impl Into<String>, schema: impl Into<Part>) {
        self.components.schemas.insert(name.into(), schema.into());
    }

    /// Adds a parameter that operations name.
    pub(super) fn parameter(&mut self, name: &str, parameter: impl Into<Parameter>) {
        self.components.parameters.insert(name.to_owned(), parameter.into().into());
    }

    /// Adds a header that answers name.
    pub(super) fn header(&mut self, name: &str, header: Header) {
        self.components.headers.insert(name.to_owned(), header.into());
    }

    /// Adds an operation.
    pub(super) fn operation(&mut self, operation: Operation) {
        let Operation { path, method, scope, mut described, answer, mut refusals } = operation;
        if let Some(scope) = scope {
            refusals.extend(refusals::of_guard(scope));
            described = described.securities(Some(self.security(scope)));
        }
        described = described.response("200", answer);
        let mut by_status = BTreeMap::<u16, Vec<Refusal>>::new();
        for refusal in refusals {
            by_status.entry(refusal.status()).or_default().push(refusal);
        }
        for (status, refusals) in by_status {
            described = described.response(status.to_string(), self.refusals(status, &refusals));
        }
        let item = PathItem::new(method, described);
        self.paths = std::mem::take(&mut self.paths).path(path, item);
    }

    /// What a token needs. Without a guard, it is said all the same, and that it may be left out.
    fn security(&self, scope: Scope) -> Vec<SecurityRequirement> {
        let needed = SecurityRequirement::new(BEARER, [scope.name()]);
        let none = (!self.is_guarded).then(SecurityRequirement::default);
        std::iter::once(needed).chain(none).collect()
    }

    /// The answer that stands for all refusals of a status: one component for each set of them.
    fn refusals(&mut self, status: u16, refusals: &[Refusal]) -> Ref {
        let names: BTreeSet<&str> = refusals.iter().map(|refusal| refusal.name).collect();
        let name = names.into_iter().fold(status.to_string(), |all, name| format!("{all}.{name}"));
        if !self.components.responses.contains_key(&name) {
            let examples = refusals.iter().map(|it| (it.name.to_owned(), it.example()));
            self.components.examples.extend(examples);
            let response = refusals::response(refusals);
            self.components.responses.insert(name.clone(), response.into());
        }
        Ref::from_response_name(name)
    }

    /// The whole.
    pub(super) fn finish(self) -> OpenApi {
        let license = LicenseBuilder::new()
            .name(env!("CARGO_PKG_LICENSE"))
            .identifier(Some(env!("CARGO_PKG_LICENSE")))
            .build();
        let info = InfoBuilder::new()
            .title(env!("CARGO_PKG_NAME"))
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some(ABOUT))
            .license(Some(license))
            .build();
        let tag = |(tag, about): (Tag, &str)| {
            TagBuilder::new().name(tag.name()).description(Some(about)).build()
        };
        OpenApiBuilder::new()
            .info(info)
            .paths(self.paths)
            .components(Some(self.components))
            .tags(Some(Tag::ALL.map(tag)))
            .build()
    }
}
