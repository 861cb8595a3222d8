//! Lists of security events.

use axum::extract::FromRequestParts;
use http::request::Parts;
use nexo_domain::{ActorType, SecurityEventId, SecurityEventOutcome, SecurityEventType, Timestamp};
use nexo_store::{EventPage, EventQuery, SecurityEvent};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::list::{DEFAULT_LIMIT, read_limit, read_parameters};
use crate::{Code, Problem};

/// The parameters of a list of security events.
///
/// Its cursor is the id of the last event shown. It need not be sealed: it holds nothing but a time, and whose
/// events are read follows from the token and the path alone.
pub struct ActivityQuery(pub EventQuery);

impl<S: Sync> FromRequestParts<S> for ActivityQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut query = EventQuery { limit: DEFAULT_LIMIT, after: None, r#type: None };
        read_parameters(parts.uri.query().unwrap_or_default(), |name, value| {
            match name {
                "limit" => query.limit = read_limit(value)?,
                "cursor" => {
                    let after = SecurityEventId::parse(value);
                    let detail = "Use `nextCursor` of the page before.";
                    query.after = Some(after.map_err(|_| Problem::new(Code::InvalidCursor, detail))?);
                }
                "type" => {
                    let wanted = SecurityEventType::parse(value);
                    let wanted =
                        wanted.map_err(|invalid| Problem::invalid_parameter(name, invalid.message()))?;
                    query.r#type = Some(wanted);
                }
                _ => return Err(Problem::invalid_parameter(name, "is not known here")),
            }
            Ok(())
        })?;
        Ok(Self(query))
    }
}

/// What happened to a user's access, newest first.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    data: Vec<SecurityEventView>,
    /// Give it as `cursor` to get the next page; null at the end. A page of one type may be short and still
    /// have a next one.
    next_cursor: Option<SecurityEventId>,
}

/// Something that happened to a user's access.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "SecurityEvent"))]
#[serde(rename_all = "camelCase")]
struct SecurityEventView {
    id: SecurityEventId,
    occurred_at: Timestamp,
    r#type: SecurityEventType,
    outcome: SecurityEventOutcome,
    actor: ActorView,
    /// The address it came from.
    ip: String,
    user_agent: Option<String>,
    request_id: String,
    /// What else there is to say of the type, such as `{"roleIds": {"old": ["viewer"], "new": ["member"]}}`.
    details: Map<String, Value>,
}

/// Who did something.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "Actor"))]
struct ActorView {
    r#type: ActorType,
    /// Null for who did not prove to be anybody.
    id: Option<String>,
}

impl From<EventPage> for Activity {
    fn from(page: EventPage) -> Self {
        Self { data: page.events.into_iter().map(view).collect(), next_cursor: page.next }
    }
}

fn view((id, event): (SecurityEventId, SecurityEvent)) -> SecurityEventView {
    let SecurityEvent { r#type, outcome, actor, ip, user_agent, request_id, details } = event;
    let occurred_at = Timestamp::from_millis(i64::try_from(id.timestamp_ms()).unwrap_or(i64::MAX));
    let actor = ActorView { r#type: actor.r#type, id: actor.id };
    SecurityEventView { id, occurred_at, r#type, outcome, actor, ip, user_agent, request_id, details }
}
