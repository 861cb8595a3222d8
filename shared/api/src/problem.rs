//! Errors as callers see them: RFC 9457 problem details.

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use nexo_domain::{Permission, Reach};
use nexo_identity::RECENT_SECONDS;
use nexo_store::StoreError;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::parse::{FieldError, FieldErrors};

/// An error, as it is answered. `requestId` and `timestamp` are added on the way out, where both
/// are known.
#[derive(Debug)]
pub struct Problem(Box<Inner>);

/// Behind a pointer, so that a `Result` without a problem stays small.
#[derive(Debug)]
struct Inner {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    extensions: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What really happened, for the log and nobody else.
    cause: Option<String>,
}

/// What kind of error it is. The name in snake case is the problem's `code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its code; `status` and `title` say what it means")]
pub enum Code {
    MalformedRequest,
    InvalidParameter,
    InvalidCursor,
    Unauthenticated,
    InvalidCredentials,
    MfaRequired,
    PermissionDenied,
    StepUpRequired,
    MfaSetupRequired,
    ApiKeyNotAllowed,
    NotFound,
    LinkGone,
    MethodNotAllowed,
    Conflict,
    AlreadyExists,
    InUse,
    WrongState,
    LastOwner,
    MfaNotSetUp,
    MfaNeeded,
    IdempotencyInProgress,
    QuotaExceeded,
    StaleVersion,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
    IdempotencyKeyReused,
    TooManyAttempts,
    Internal,
    Unavailable,
    DeadlineExceeded,
}

impl Code {
    /// The text a program compares.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformed_request",
            Self::InvalidParameter => "invalid_parameter",
            Self::InvalidCursor => "invalid_cursor",
            Self::Unauthenticated => "unauthenticated",
            Self::InvalidCredentials => "invalid_credentials",
            Self::MfaRequired => "mfa_required",
            Self::PermissionDenied => "permission_denied",
            Self::StepUpRequired => "step_up_required",
            Self::MfaSetupRequired => "mfa_setup_required",
            Self::ApiKeyNotAllowed => "api_key_not_allowed",
            Self::NotFound => "not_found",
            Self::LinkGone => "link_gone",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict => "conflict",
            Self::AlreadyExists => "already_exists",
            Self::InUse => "in_use",
            Self::WrongState => "wrong_state",
            Self::LastOwner => "last_owner",
            Self::MfaNotSetUp => "mfa_not_set_up",
            Self::MfaNeeded => "mfa_needed",
            Self::IdempotencyInProgress => "idempotency_in_progress",
            Self::QuotaExceeded => "quota_exceeded",
            Self::StaleVersion => "stale_version",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::ValidationFailed => "validation_failed",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::TooManyAttempts => "too_many_attempts",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::DeadlineExceeded => "deadline_exceeded",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::MalformedRequest | Self::InvalidParameter | Self::InvalidCursor => StatusCode::BAD_REQUEST,
            Self::Unauthenticated | Self::InvalidCredentials | Self::MfaRequired => StatusCode::UNAUTHORIZED,
            Self::PermissionDenied
            | Self::StepUpRequired
            | Self::MfaSetupRequired
            | Self::ApiKeyNotAllowed => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::LinkGone => StatusCode::GONE,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict
            | Self::AlreadyExists
            | Self::InUse
            | Self::WrongState
            | Self::LastOwner
            | Self::MfaNotSetUp
            | Self::MfaNeeded
            | Self::IdempotencyInProgress
            | Self::QuotaExceeded => StatusCode::CONFLICT,
            Self::StaleVersion => StatusCode::PRECONDITION_FAILED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::ValidationFailed | Self::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The same words for every problem of the kind.
    pub const fn title(self) -> &'static str {
        match self {
            Self::MalformedRequest => "The request cannot be read",
            Self::InvalidParameter => "A parameter is not valid",
            Self::InvalidCursor => "The cursor does not belong to this list",
            Self::Unauthenticated => "Sign in to do this",
            Self::InvalidCredentials => "The email, the password or the second factor is wrong",
            Self::MfaRequired => "A second factor is needed",
            Self::PermissionDenied => "You may not do this",
            Self::StepUpRequired => "Prove again who you are",
            Self::MfaSetupRequired => "Set up a second factor first",
            Self::ApiKeyNotAllowed => "An API key cannot do this",
            Self::NotFound => "Not found",
            Self::LinkGone => "This link does not work",
            Self::MethodNotAllowed => "The method is not allowed here",
            Self::Conflict => "The request conflicts with another",
            Self::AlreadyExists => "It exists already",
            Self::InUse => "Other records need this one",
            Self::WrongState => "The record is not in a state for this",
            Self::LastOwner => "An account needs an owner",
            Self::MfaNotSetUp => "No second factor is set up",
            Self::MfaNeeded => "The second factor cannot be removed",
            Self::IdempotencyInProgress => "A request with this idempotency key is still running",
            Self::QuotaExceeded => "The account has as much of it as it may have",
            Self::StaleVersion => "The record has changed",
            Self::PayloadTooLarge => "The body is too large",
            Self::UnsupportedMediaType => "The media type is not supported",
            Self::ValidationFailed => "Some fields are not valid",
            Self::IdempotencyKeyReused => "The idempotency key was used for another request",
            Self::TooManyAttempts => "Too many attempts",
            Self::Internal => "Something went wrong on our side",
            Self::Unavailable => "Not available right now",
            Self::DeadlineExceeded => "The request took too long",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    request_id: &'a str,
    timestamp: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    extensions: &'a Map<String, Value>,
}

impl Problem {
    /// A problem of this kind, with words for this occurrence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            extensions: Map::new(),
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// 404, the same for what never was, what was deleted, and what is another account's.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "There is nothing at this address.")
    }

    /// 401 for whatever is wrong with the token: the caller learns no more.
    pub fn unauthenticated(cause: &impl ToString) -> Self {
        Self::new(Code::Unauthenticated, "Send a valid access token or API key as `Authorization: Bearer …`.")
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            .because(cause)
    }

    /// 403, naming the permission that is missing.
    pub fn denied(permission: Permission) -> Self {
        Self::new(Code::PermissionDenied, format!("This needs the permission `{permission}`."))
            .with_member("permission", permission.as_str())
    }

    /// 403 for an API key at what is for people: their own logins, and what they prove who they are for.
    pub fn api_key_not_allowed() -> Self {
        Self::new(Code::ApiKeyNotAllowed, "This is for users who are logged in. Send an access token.")
    }

    /// 403 for what needs a permission to reach every record.
    pub fn denied_beyond_own(permission: Permission) -> Self {
        let wanted = format!("{permission}:{}", Reach::All);
        Self::new(
            Code::PermissionDenied,
            format!("You do not reach every record: `ownerId` must be within your reach. Else this needs the permission `{wanted}`."),
        )
        .with_member("permission", wanted)
    }

    /// 403 for what asks for a proof of who one is that is more recent.
    pub fn step_up_required() -> Self {
        let minutes = RECENT_SECONDS / 60;
        let detail =
            format!("This needs a proof of at most {minutes} minutes ago: `POST /api/auth/step-up`.");
        Self::new(Code::StepUpRequired, detail)
    }

    /// 403 in a session that is for setting up a second factor only.
    pub fn mfa_setup_required() -> Self {
        let detail = "The account asks every user for a second factor. Set one up: `POST /api/auth/mfa/totp` or \
            `POST /api/auth/passkey/options`.";
        Self::new(Code::MfaSetupRequired, detail)
    }

    /// 405 with the methods that are allowed.
    pub fn method_not_allowed(allowed: &str) -> Self {
        let problem = Self::new(Code::MethodNotAllowed, format!("Allowed here: {allowed}."));
        match HeaderValue::from_str(allowed) {
            Ok(value) => problem.with_header(ALLOW, value),
            Err(_) => problem,
        }
    }

    /// 422 with all that is wrong with the fields.
    pub fn invalid(errors: FieldErrors) -> Self {
        let errors = errors.into_vec();
        let count = errors.len();
        let noun = if count == 1 { "One field is" } else { "Some fields are" };
        let mut problem = Self::new(Code::ValidationFailed, format!("{noun} not valid; see `errors`."));
        problem.0.errors = errors;
        problem
    }

    /// 422 for one field.
    pub fn invalid_field(pointer: &str, code: &str, message: impl Into<String>) -> Self {
        Self::invalid(FieldErrors::one(pointer, code, message))
    }

    /// 400: the cursor is of no page of this list.
    pub(crate) fn invalid_cursor() -> Self {
        Self::new(Code::InvalidCursor, "Use the cursor of the page before as it was given, or begin again.")
    }

    /// 400 for one query parameter.
    pub fn invalid_parameter(name: &str, message: impl Into<String>) -> Self {
        Self::new(Code::InvalidParameter, format!("The parameter `{name}` {}.", message.into()))
            .with_member("parameter", name)
    }

    /// 500; the cause goes to the log only.
    pub fn internal(cause: &impl ToString) -> Self {
        Self::new(Code::Internal, "The request could not be completed.").because(cause)
    }

    /// 401 for a login that failed, for whatever reason.
    pub fn invalid_credentials() -> Self {
        Self::new(Code::InvalidCredentials, "Check them and try again.")
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 503 with the seconds after which to try again; the cause goes to the log only. Whether the
    /// request was carried out is not known: an answer may have been lost.
    pub fn unavailable(cause: &impl ToString) -> Self {
        Self::new(Code::Unavailable, "Try again in a moment. A create is safe to repeat with the same `Idempotency-Key`, a change with the same `If-Match`.").retry_after(1).because(cause)
    }

    /// Says what really happened, for the log.
    #[must_use]
    pub fn because(mut self, cause: &impl ToString) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The record as it is, so that a caller can merge.
    #[must_use]
    pub fn with_current(self, current: &impl Serialize) -> Self {
        match serde_json::to_value(current) {
            Ok(current) => self.with_member("current", current),
            Err(_) => self,
        }
    }

    /// Adds a member of its own.
    #[must_use]
    pub fn with_member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.extensions.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Adds `Retry-After` (RFC 9110, section 10.2.3), in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.with_header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// What is wrong with the fields, where that is what the problem says.
    pub fn field_errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The words for this occurrence.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The kind.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The permission that is missing, where that is why access was denied.
    pub(crate) fn permission(&self) -> Option<&str> {
        if self.0.code == Code::PermissionDenied {
            self.0.extensions.get("permission")?.as_str()
        } else {
            None
        }
    }

    /// What really happened, for the log and nobody else.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The whole answer.
    pub(crate) fn render(&self, request_id: &str, timestamp: String) -> Response {
        let wire = Wire {
            r#type: "about:blank",
            title: self.0.code.title(),
            status: self.0.code.status().as_u16(),
            detail: &self.0.detail,
            code: self.0.code.as_str(),
            request_id,
            timestamp,
            errors: &self.0.errors,
            extensions: &self.0.extensions,
        };
        // Strings, numbers and maps with string keys always serialise.
        let body = serde_json::to_vec(&wire).unwrap_or_default();
        let mut response = (self.0.code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in &self.0.headers {
            headers.append(name, value.clone());
        }
        response
    }
}

/// Carries a problem out of a handler; [`crate::app`] renders it, where the request's id is known.
#[derive(Clone, Debug)]
pub(crate) struct Raised(pub(crate) std::sync::Arc<Problem>);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.code.status().into_response();
        response.extensions_mut().insert(Raised(std::sync::Arc::new(self)));
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound => Self::not_found(),
            StoreError::Stale { version } => Self::new(
                Code::StaleVersion,
                format!("The record's version is {version}, not the one in `If-Match`."),
            ),
            StoreError::Taken { field } => {
                let mut problem =
                    Self::new(Code::AlreadyExists, format!("Another record has this `{field}`."));
                problem.0.errors = FieldErrors::one(&format!("/{field}"), "taken", "is taken").into_vec();
                problem
            }
            StoreError::NoSuchReference { field } => {
                Self::invalid_field(&format!("/{field}"), "no_such_record", "names no record of this account")
            }
            StoreError::Cycle { field } => {
                Self::invalid_field(&format!("/{field}"), "cycle", "would make the record its own ancestor")
            }
            StoreError::TooDeep { field } => {
                Self::invalid_field(&format!("/{field}"), "too_deep", "would make the tree too deep")
            }
            StoreError::TooMany { field } => Self::invalid_field(
                &format!("/{field}"),
                "too_many",
                "would make more records than there can be",
            ),
            StoreError::Full { field } => {
                Self::invalid_field(&format!("/{field}"), "full", "names a record that takes no more")
            }
            StoreError::NotOpen { field } => {
                Self::invalid_field(&format!("/{field}"), "not_open", "names a record that is not open")
            }
            StoreError::InUse => Self::new(Code::InUse, "Other records name it. Change them first."),
            StoreError::OverQuota => Self::new(
                Code::QuotaExceeded,
                "The account's files would take more than they may. Delete some, and purge them, first.",
            ),
            StoreError::TooManyVersions => Self::new(
                Code::WrongState,
                "The file has as many versions as it can have. Purge one of them first.",
            ),
            StoreError::NotDeleted => {
                Self::new(Code::WrongState, "Only what is deleted can be purged. Delete it first.")
            }
            StoreError::Awaited => Self::new(
                Code::WrongState,
                "An upload may be under way still. It can be purged an hour after it was deleted.",
            ),
            StoreError::RowDone => Self::new(Code::Conflict, "This row was done before."),
            StoreError::SameRecord => Self::new(Code::Conflict, "Another row has the same record."),
            StoreError::KeyReused => Self::new(
                Code::IdempotencyKeyReused,
                "Use a new `Idempotency-Key` for a request that differs.",
            ),
            StoreError::Spent => Self::invalid_credentials().because(&error),
            StoreError::Busy => Self::new(
                Code::Conflict,
                "Another request is changing the same records. Nothing was changed; try again.",
            )
            .retry_after(1),
            StoreError::Throttled | StoreError::Unavailable { .. } => Self::unavailable(&error),
            // The handler of a write answers `BeyondReach`: only it knows the permission.
            StoreError::Denied { .. } | StoreError::Corrupt(_) | StoreError::BeyondReach => {
                Self::internal(&error)
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
