//! Operations, and the routes that answer them.

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use http::Uri;
use http::header::AUTHORIZATION;
use nexo_domain::Permission;
use nexo_identity::{ApiKey, Demand, VerifyError};

use crate::context::{RequestContext, header};
use crate::{Platform, Problem};

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Anybody who is signed in, for their own data. API keys are not.
    SignedIn,
    /// The same, also in a session that is for setting up a second factor only.
    Enrolling,
    /// Anybody who is signed in and proved who they are a short while ago ([`nexo_identity::RECENT_SECONDS`]).
    SignedInRecently,
    /// The same, also in a session that is for setting up a second factor only.
    EnrollingRecently,
    /// Principals with this permission.
    Needs(Permission),
    /// Principals with this permission who proved who they are a short while ago.
    NeedsRecent(Permission),
}

impl Access {
    /// The permission it takes.
    pub const fn permission(self) -> Option<Permission> {
        match self {
            Self::Needs(permission) | Self::NeedsRecent(permission) => Some(permission),
            Self::Public
            | Self::SignedIn
            | Self::Enrolling
            | Self::SignedInRecently
            | Self::EnrollingRecently => None,
        }
    }

    /// What it asks of the session.
    pub const fn demand(self) -> Demand {
        Demand {
            recent: matches!(self, Self::SignedInRecently | Self::EnrollingRecently | Self::NeedsRecent(_)),
            enrolled: !matches!(self, Self::Enrolling | Self::EnrollingRecently),
        }
    }
}

/// One method of one path: what it is called, and who may call it.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The HTTP method.
    pub method: Verb,
    /// What stands after the routes' common path, such as `/{id}`.
    pub path: &'static str,
    /// The operation's name in the API's description.
    pub id: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Who may call it.
    pub access: Access,
    /// The statuses of its problems, beyond those every operation can have.
    pub problems: &'static [u16],
    /// The status when it succeeds.
    pub success: u16,
    /// What goes in and comes out.
    pub shape: Shape,
}

/// An HTTP method that operations use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Read (RFC 9110).
    Get,
    /// Create, or act.
    Post,
    /// Replace.
    Put,
    /// Change in part (RFC 5789).
    Patch,
    /// Delete.
    Delete,
}

impl Verb {
    /// The method's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// What an operation's bodies and parameters look like. Functions carry none of it: it is there for
/// the tools that describe the API.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "openapi"), derive(Default))]
pub struct Shape {
    #[cfg(feature = "openapi")]
    pub(crate) describe: fn(&mut crate::openapi::Draft),
}

/// A type whose JSON the API's description can show.
#[cfg(feature = "openapi")]
pub trait Described: schemars::JsonSchema {}
#[cfg(feature = "openapi")]
impl<T: schemars::JsonSchema> Described for T {}

/// A type whose JSON the API's description can show.
#[cfg(not(feature = "openapi"))]
pub trait Described {}
#[cfg(not(feature = "openapi"))]
impl<T> Described for T {}

/// Describes an operation: `shape!(|draft| draft.body::<T>().answer::<U>())`.
#[macro_export]
macro_rules! shape {
    ($describe:expr) => {{
        #[cfg(feature = "openapi")]
        {
            $crate::Shape::new($describe)
        }
        #[cfg(not(feature = "openapi"))]
        {
            $crate::Shape::new()
        }
    }};
}

impl Shape {
    /// A shape that `describe` writes down.
    #[cfg(feature = "openapi")]
    pub const fn new(describe: fn(&mut crate::openapi::Draft)) -> Self {
        Self { describe }
    }

    /// No shape: this build describes nothing.
    #[cfg(not(feature = "openapi"))]
    pub const fn new() -> Self {
        Self {}
    }
}

/// Operations bound to their handlers, under a common path.
pub struct Routes {
    platform: Platform,
    base: &'static str,
    router: Router<Platform>,
    operations: Vec<(String, Operation)>,
    has_fallback: bool,
}

impl Routes {
    /// No routes yet, under `base`.
    pub fn new(platform: &Platform, base: &'static str) -> Self {
        Self {
            platform: platform.clone(),
            base,
            router: Router::new(),
            operations: Vec::new(),
            has_fallback: false,
        }
    }

    /// Binds `operation` to `handler`. The handler runs only for those who may call it.
    #[must_use]
    pub fn on<H, T>(mut self, operation: Operation, handler: H) -> Self
    where
        H: Handler<T, Platform>,
        T: 'static,
    {
        let path = format!("{}{}", self.base, operation.path);
        let guard = Guard { platform: self.platform.clone(), access: operation.access };
        let method =
            on(operation.method.filter(), handler).layer(middleware::from_fn_with_state(guard, check));
        self.router = self.router.route(&path, method);
        self.operations.push((path, operation));
        self
    }

    /// Gives every handler so far the `value`, as `axum::Extension`.
    #[must_use]
    pub fn share<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.router = self.router.layer(axum::Extension(value));
        self
    }

    /// These routes and those of `other`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        self
    }

    /// What answers every other address; a problem that says that there is nothing, unless given.
    #[must_use]
    pub fn otherwise<H, T>(mut self, handler: H) -> Self
    where
        H: Handler<T, Platform>,
        T: 'static,
    {
        self.router = self.router.fallback(handler.clone()).method_not_allowed_fallback(handler);
        self.has_fallback = true;
        self
    }

    /// Path and operation of every route.
    pub fn operations(&self) -> &[(String, Operation)] {
        &self.operations
    }

    pub(crate) fn platform(&self) -> &Platform {
        &self.platform
    }

    pub(crate) fn into_parts(self) -> (Router<Platform>, Platform) {
        if self.has_fallback {
            return (self.router, self.platform);
        }
        let operations = self.operations;
        // The gateway hands over a method that the address itself lacks only where another route has it, with
        // `{…}` in the address's place.
        let refuse = async move |uri: Uri| {
            let here = operations.iter().filter(|(path, _)| path == uri.path());
            let mut allowed: Vec<&str> = here.map(|(_, operation)| operation.method.as_str()).collect();
            allowed.sort_unstable();
            Problem::method_not_allowed(&allowed.join(", "))
        };
        let router = self.router.fallback(|| async { Problem::not_found() });
        (router.method_not_allowed_fallback(refuse), self.platform)
    }
}

#[derive(Clone)]
struct Guard {
    platform: Platform,
    access: Access,
}

/// Stands in front of every handler.
async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if guard.access == Access::Public {
        return next.run(request).await;
    }
    let token = bearer(&request).map(str::to_owned);
    let context = request.extensions().get::<RequestContext>().cloned();
    match admit(&guard.platform, context, token, guard.access).await {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn admit(
    platform: &Platform,
    context: Option<RequestContext>,
    token: Option<String>,
    access: Access,
) -> Result<(), Problem> {
    let context = context.ok_or_else(|| Problem::internal(&"no request context"))?;
    let token = token.ok_or_else(|| Problem::unauthenticated(&"no bearer token"))?;
    let is_for_people = access.permission().is_none() || access.demand().recent;
    if is_for_people && ApiKey::parse(&token).is_some() {
        // Nothing is looked up: whatever the key, it cannot do this.
        return Err(Problem::api_key_not_allowed());
    }
    let directory = platform.directory(context.meter());
    let verified = platform.verifier.verify(&token, access.demand(), &directory).await;
    let principal = verified.map_err(|error| match error {
        VerifyError::Unavailable(_) => Problem::unavailable(&error),
        VerifyError::NotRecent => Problem::step_up_required(),
        VerifyError::NotEnrolled => Problem::mfa_setup_required(),
        refused => Problem::unauthenticated(&refused),
    })?;
    context.set_principal(principal.clone());
    if let Some(key) = platform.verifier.use_to_note(&principal)
        && let Err(error) = directory.note_use(&principal.account, &key, platform.clock.now()).await
    {
        // Worth a line in the log, and no request's failure.
        context.warn(format!("the use of an API key was not noted: {error}"));
    }
    if let Some(permission) = access.permission() {
        context.set_reach(principal.reach(permission).ok_or_else(|| Problem::denied(permission))?);
    }
    Ok(())
}

/// The bearer token (RFC 6750, section 2.1; the scheme's case does not matter, RFC 9110).
fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = header(request.headers(), AUTHORIZATION.as_str())?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
