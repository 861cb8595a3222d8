//! What a caller gets when it is logged in.

use axum::response::Response;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use nexo_api::{Problem, json};
use nexo_domain::{Email, RoleRef, Text, UserId};
use nexo_identity::{ACCESS_TOKEN_SECONDS, RefreshToken, SessionPrincipal};
use nexo_store::{Profile, Session};
use serde::{Deserialize, Serialize};

use crate::Auth;

/// How the refresh token reaches its holder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenDelivery {
    /// In the answer's body.
    #[default]
    Body,
    /// In a cookie that scripts cannot read: for browsers.
    Cookie,
}

/// A pair of tokens.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tokens {
    /// Goes into `Authorization: Bearer …`.
    access_token: String,
    /// Good for one exchange at `/api/auth/refresh`. Absent when a cookie holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    token_type: &'static str,
    /// Seconds until the access token ends.
    expires_in: i64,
}

/// A pair of tokens and who they are for.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoggedIn {
    #[serde(flatten)]
    tokens: Tokens,
    user: User,
}

/// The user who is logged in.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    id: UserId,
    email: Email,
    first_name: Text<100>,
    last_name: Text<100>,
    role_ids: Vec<RoleRef>,
}

impl User {
    pub(crate) fn new(principal: &SessionPrincipal, profile: &Profile) -> Self {
        Self {
            id: principal.user,
            email: profile.email.clone(),
            first_name: profile.first_name.clone(),
            last_name: profile.last_name.clone(),
            role_ids: principal.standing.roles.clone(),
        }
    }
}

/// The cookie that holds a refresh token. It goes to this function's routes only, never with a
/// request that another site started, and no script sees it.
const COOKIE_NAME: &str = "nexo_refresh";
const COOKIE_ATTRIBUTES: &str = "HttpOnly; Secure; SameSite=Strict; Path=/api/auth";

impl Auth {
    /// Answers tokens for `principal`, whose session is in this state.
    pub(crate) fn answer(
        &self,
        status: StatusCode,
        principal: &SessionPrincipal,
        session: &Session,
        delivery: TokenDelivery,
        user: Option<User>,
    ) -> Result<Response, Problem> {
        let access_token =
            self.signer.sign(principal, session.proof()).map_err(|error| Problem::internal(&error))?;
        let refresh_token = self.signer.refresh_key().seal(&RefreshToken {
            account: principal.account,
            user: principal.user,
            session: principal.session,
            generation: session.generation,
        });
        let (in_body, in_cookie) = match delivery {
            TokenDelivery::Body => (Some(refresh_token), None),
            TokenDelivery::Cookie => (None, Some(refresh_token)),
        };
        let tokens = Tokens {
            access_token,
            refresh_token: in_body,
            token_type: "Bearer",
            expires_in: ACCESS_TOKEN_SECONDS,
        };
        let mut response = match user {
            Some(user) => json(status, &LoggedIn { tokens, user }),
            None => json(status, &tokens),
        };
        if let Some(token) = in_cookie {
            let age = crate::refresh::IDLE_SECONDS;
            set_cookie(&mut response, &format!("{COOKIE_NAME}={token}; Max-Age={age}; {COOKIE_ATTRIBUTES}"));
        }
        Ok(response)
    }
}

/// Takes the refresh token back from the browser.
pub(crate) fn clear_cookie(response: &mut Response) {
    set_cookie(response, &format!("{COOKIE_NAME}=; Max-Age=0; {COOKIE_ATTRIBUTES}"));
}

fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// The refresh token in the request's cookie.
pub(crate) fn from_cookie(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
        .map(str::to_owned)
}
