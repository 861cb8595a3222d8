//! Reads what a request says besides its body.

use std::convert::Infallible;
use std::ops::Deref;

use axum::extract::{FromRequestParts, RawPathParams};
use http::header::IF_MATCH;
use http::request::Parts;
use nexo_domain::{IdKind, Reach};
use nexo_identity::{SessionPrincipal, Verified};
use nexo_store::TenantTable;
use nexo_tenant_key::TenantScope;

use crate::context::{RequestContext, header};
use crate::{Platform, Problem};

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::internal(&"no request context"))
    }
}

/// The verified caller, who is logged in: an API key is refused.
pub struct SignedIn(pub Verified<SessionPrincipal>);

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let context = RequestContext::from_request_parts(parts, state).await?;
        // A public operation has no principal: a handler that asks for one there fails, closed.
        let principal = context.principal().ok_or_else(|| Problem::internal(&NO_PRINCIPAL))?;
        principal.in_session().map(Self).ok_or_else(Problem::api_key_not_allowed)
    }
}

const NO_PRINCIPAL: &str = "a public operation has no principal";

/// The caller's account: the table as its credentials let it be seen.
pub struct Tenant(TenantTable);

impl Deref for Tenant {
    type Target = TenantTable;

    fn deref(&self) -> &TenantTable {
        &self.0
    }
}

impl FromRequestParts<Platform> for Tenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, platform: &Platform) -> Result<Self, Problem> {
        let context = RequestContext::from_request_parts(parts, platform).await?;
        let principal = context.principal().cloned().ok_or_else(|| Problem::internal(&NO_PRINCIPAL))?;
        let cache = platform.credentials.as_ref();
        let cache = cache.ok_or_else(|| Problem::internal(&"this function has no tenant role"))?;
        let credentials =
            cache.for_principal(&principal).await.map_err(|error| Problem::unavailable(&error))?;
        let scope = TenantScope::new(principal, credentials).map_err(|error| Problem::internal(&error))?;
        // An operation that needs no permission has no business with others' records.
        let reach = context.reach().unwrap_or(Reach::Own);
        Ok(Self(TenantTable::new(platform.store.clone(), scope, context.info(), reach)))
    }
}

/// The id in the path. A malformed one is 404, like an unknown one.
pub struct Id<K: IdKind>(pub nexo_domain::Id<K>);

impl<K: IdKind, S: Send + Sync> FromRequestParts<S> for Id<K> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        in_path(parts, state).await.map(Self)
    }
}

/// What `{id}` in the path names, where that is more than a record's id. What does not read is 404.
pub struct Named<T>(pub T);

impl<T: std::str::FromStr, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        in_path(parts, state).await.map(Self)
    }
}

async fn in_path<T: std::str::FromStr, S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<T, Problem> {
    let params = RawPathParams::from_request_parts(parts, state).await;
    let params = params.map_err(|_| Problem::not_found())?;
    let text = params.iter().find(|(name, _)| *name == "id").map(|(_, value)| value);
    text.and_then(|text| text.parse().ok()).ok_or_else(Problem::not_found)
}

/// The version in `If-Match` (RFC 9110, section 13.1.1); `None` without the header, or for `*`.
pub struct IfMatch(pub Option<u64>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let wanted = match parts.headers.get(IF_MATCH) {
            None => return Ok(Self(None)),
            Some(value) => value.to_str().unwrap_or_default().trim(),
        };
        if wanted == "*" {
            return Ok(Self(None));
        }
        let text = wanted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        // `"03"` reads as the number 3 too, but is another ETag.
        let version =
            text.and_then(|text| text.parse().ok().filter(|version: &u64| version.to_string() == text));
        version.map(|version| Self(Some(version))).ok_or_else(|| {
            Problem::new(
                crate::Code::MalformedRequest,
                "`If-Match` must be one ETag as it was answered, such as `\"3\"`.",
            )
        })
    }
}

/// Whether `If-None-Match` (RFC 9110, section 13.1.2) names `etag`, also as a weak one.
pub(crate) struct IfNoneMatch(Option<String>);

impl<S: Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(header(&parts.headers, http::header::IF_NONE_MATCH.as_str()).map(str::to_owned)))
    }
}

impl IfNoneMatch {
    pub(crate) fn names(&self, etag: &str) -> bool {
        self.0.as_deref().is_some_and(|list| {
            list.split(',')
                .map(str::trim)
                .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
        })
    }
}

#[cfg(test)]
mod tests;
