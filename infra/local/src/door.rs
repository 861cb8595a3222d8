//! The guard in front of the table: every call is judged by the policies of the template.
//!
//! It does what IAM does for DynamoDB on AWS: it knows the caller by a token only
//! [`LocalIssuer`] can make, derives from the request which actions it asks for
//! on which partition keys, and evaluates the caller's policy. A request it cannot read is refused.
//! Two walls go beyond AWS: the partition keys an item has in indexes must satisfy the policy too,
//! and operations the functions do not use (scans, `PartiQL`, table management) do not exist.

mod access;
mod assume;
mod body;
mod connector;
mod expression;
mod faults;
mod log;
mod serve;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use serde_json::json;

use crate::clock::{Clock, request_id};
use crate::engine::{Capacity, Engine, failure};
use crate::issuer::{CallerIdentity, LocalIssuer, TokenError};
use crate::policy::{self, Decision, Statement};
use crate::sts::LocalSts;
use crate::template::{ACCOUNT_ID, Template};
use access::{Access, Keys};

pub use connector::DoorConnector;
pub use faults::{BucketFault, FailNth, Fault, Faults, ServiceError};
pub use log::{DoorLog, StoreCall, StoreTotals};
pub use serve::{ServeError, serve};

const TARGET: &str = "x-amz-target";
const TARGET_PREFIX: &str = "DynamoDB_20120810.";
const TOKEN: &str = "x-amz-security-token";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const FORM: &str = "application/x-www-form-urlencoded";
const AMZ_JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");

/// The connection ended without an answer, as an injected fault asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("connection reset by peer")]
pub struct Dropped;

/// The guard. Clones share it.
#[derive(Clone)]
pub struct Door {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

struct Inner {
    engine: Engine,
    clock: Clock,
    issuer: LocalIssuer,
    sts: LocalSts,
    keys: Keys,
    /// The statements of each role, by logical id.
    roles: BTreeMap<String, Vec<Statement>>,
    log: DoorLog,
    faults: Faults,
}

/// A refusal: DynamoDB's name of the error, and what the log and the answer say.
struct Refusal {
    name: &'static str,
    message: String,
}

/// A call that may be executed.
struct Permit {
    keys: Vec<String>,
    written: Vec<String>,
    actions: usize,
}

impl Door {
    /// A guard for `engine` that judges by the roles of `template`. `clock` says when a session is over.
    pub fn new(engine: Engine, issuer: LocalIssuer, template: &Template, clock: Clock) -> Self {
        Self {
            inner: Arc::new(Inner {
                engine,
                sts: LocalSts::new(issuer.clone(), template, clock.clone()),
                clock,
                issuer,
                keys: Keys::new(&template.table),
                roles: template
                    .roles
                    .iter()
                    .map(|(id, role)| (id.clone(), role.statements.clone()))
                    .collect(),
                log: DoorLog::default(),
                faults: Faults::default(),
            }),
        }
    }

    /// The record of calls.
    pub fn log(&self) -> &DoorLog {
        &self.inner.log
    }

    /// The plan of failures, for tests.
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// Answers one request in DynamoDB's protocol, or, when it is a form, in STS's.
    ///
    /// # Errors
    /// An injected fault dropped the connection.
    pub async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Dropped> {
        let (parts, body) = request.into_parts();
        let text = |name| header(&parts.headers, name);
        if parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == FORM) {
            return Ok(self.assume(text(TOKEN), &body));
        }
        let (status, body) = self.call(text(TARGET), text(TOKEN), body).await?;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, AMZ_JSON);
        if let Ok(id) = HeaderValue::from_str(&request_id((self.inner.clock)())) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        Ok(response)
    }

    /// Answers one STS request.
    fn assume(&self, token: Option<&str>, form: &[u8]) -> Response<Bytes> {
        let caller = self.inner.caller(token).ok();
        let (status, xml) = assume::answer(&self.inner.sts, caller.as_ref(), form);
        let mut response = Response::new(Bytes::from(xml));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        response
    }

    async fn call(
        &self,
        target: Option<&str>,
        token: Option<&str>,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Dropped> {
        let inner = &self.inner;
        let operation = target.and_then(|target| target.strip_prefix(TARGET_PREFIX)).unwrap_or_default();
        let caller = inner.caller(token);
        let mut record = StoreCall {
            seq: 0,
            operation: operation.to_owned(),
            caller: caller.as_ref().ok().cloned(),
            allowed: false,
            reason: None,
            status: 0,
            capacity: Capacity::default(),
            keys: Vec::new(),
            partitions_written: Vec::new(),
        };
        let permit = caller.and_then(|caller| inner.judge(&caller, operation, &body));
        let permit = match permit {
            Ok(permit) => permit,
            Err(refusal) => {
                inner.faults.next();
                let (status, body) = failure(refusal.name, &refusal.message);
                record.status = status.as_u16();
                record.reason = Some(refusal.message);
                inner.log.record(record);
                return Ok((status, body));
            }
        };
        record.allowed = true;
        record.keys.clone_from(&permit.keys);
        let fault = inner.faults.next();
        record.reason = fault.map(|fault| format!("{fault:?}"));
        match fault {
            None | Some(Fault::AfterExecution | Fault::Death { executed: true }) => {}
            Some(Fault::Death { executed: false }) => {
                inner.log.record(record);
                die();
            }
            Some(Fault::TransactionConflict) => {
                if let Some((status, body)) = conflict(operation, permit.actions) {
                    record.status = status.as_u16();
                    inner.log.record(record);
                    return Ok((status, body));
                }
            }
            Some(Fault::BeforeExecution(error)) => {
                let (status, body) = failure(error.name(), "An injected failure");
                record.status = status.as_u16();
                inner.log.record(record);
                return Ok((status, body));
            }
            Some(Fault::Dropped) => {
                inner.log.record(record);
                return Err(Dropped);
            }
            Some(Fault::Hang(duration)) => {
                inner.log.record(record);
                tokio::time::sleep(duration).await;
                return Err(Dropped);
            }
        }
        let dies = fault == Some(Fault::Death { executed: true });
        let lost = dies || fault == Some(Fault::AfterExecution);
        let answer = self.execute(record, permit, body, lost).await;
        if dies {
            die();
        }
        answer
    }

    /// Runs a permitted call and records it. Both happen on the engine's thread, so that a caller
    /// who has gone away leaves no call unrecorded.
    async fn execute(
        &self,
        mut record: StoreCall,
        permit: Permit,
        body: Bytes,
        lost: bool,
    ) -> Result<(StatusCode, Bytes), Dropped> {
        let inner = Arc::clone(&self.inner);
        let work = tokio::task::spawn_blocking(move || {
            let answer = inner.engine.run(&record.operation, &body);
            record.capacity = answer.capacity;
            if answer.status.is_success() {
                record.partitions_written = permit.written;
            }
            record.status = if lost { 0 } else { answer.status.as_u16() };
            inner.log.record(record);
            (answer.status, answer.body)
        });
        match work.await {
            Ok(_) | Err(_) if lost => Err(Dropped),
            Ok(answer) => Ok(answer),
            Err(_) => Ok(failure("InternalServerError", "The engine failed")),
        }
    }
}

/// Ends the function that calls: what is left of its work is never done.
#[expect(clippy::panic, reason = "a fault on order; it unwinds through the function's own future")]
fn die() -> ! {
    panic!("the function dies here, as ordered")
}

impl Inner {
    fn caller(&self, token: Option<&str>) -> Result<CallerIdentity, Refusal> {
        let Some(token) = token else {
            return Err(Refusal {
                name: "MissingAuthenticationTokenException",
                message: "Request is missing Authentication Token".to_owned(),
            });
        };
        self.issuer.open(token, (self.clock)()).map_err(|error| Refusal {
            name: match error {
                TokenError::Invalid => "UnrecognizedClientException",
                TokenError::Expired => "ExpiredTokenException",
            },
            message: error.to_string(),
        })
    }

    /// Whether the caller may make this call: every action it consists of must be allowed.
    fn judge(&self, caller: &CallerIdentity, operation: &str, body: &[u8]) -> Result<Permit, Refusal> {
        let (role, tags) = match caller {
            CallerIdentity::Function { role } => (role, BTreeMap::new()),
            CallerIdentity::Tenant { role, account, .. } => {
                (role, BTreeMap::from([("account".to_owned(), account.clone())]))
            }
        };
        let denied = |what: &str, why: &str| Refusal {
            name: "AccessDeniedException",
            message: format!(
                "User: arn:aws:sts::{ACCOUNT_ID}:assumed-role/{role} is not authorized to perform: \
                 {what} because {why}"
            ),
        };
        let statements =
            self.roles.get(role).ok_or_else(|| denied(operation, "the template has no such role"))?;
        let actions =
            self.keys.read(operation, body).map_err(|why| denied(&format!("dynamodb:{operation}"), &why))?;
        for action in &actions {
            if let Decision::Denied(why) = action.decide(statements, operation, &tags) {
                let what = format!("{} on resource: {}", action.action, action.resource);
                return Err(denied(&what, &why));
            }
        }
        let named = |access: &Access<'_>| -> Vec<String> {
            access.keys.iter().map(|key| key.clone().into_owned()).collect()
        };
        Ok(Permit {
            keys: actions.iter().flat_map(named).collect(),
            written: actions.iter().filter(|a| a.writes).flat_map(named).collect(),
            actions: actions.len(),
        })
    }
}

impl Access<'_> {
    fn decide(&self, statements: &[Statement], operation: &str, tags: &BTreeMap<String, String>) -> Decision {
        let mut leading: Vec<&str> = self.keys.iter().map(AsRef::as_ref).collect();
        leading.extend(self.index_keys.iter().map(AsRef::as_ref));
        let mut context = BTreeMap::from([("dynamodb:LeadingKeys", leading)]);
        if operation.starts_with("Transact") {
            context.insert("dynamodb:EnclosingOperation", vec![operation]);
        }
        policy::evaluate(
            statements,
            &policy::Request {
                action: self.action,
                resources: std::slice::from_ref(&self.resource),
                context: &context,
                tags,
            },
        )
    }
}

/// The answer when another transaction holds an item of this call.
fn conflict(operation: &str, actions: usize) -> Option<(StatusCode, Bytes)> {
    const MESSAGE: &str = "Transaction is ongoing for the item";
    match operation {
        "TransactWriteItems" | "TransactGetItems" => {
            let mut reasons = vec![json!({ "Code": "None" }); actions];
            let mut codes = vec!["None"; actions];
            if let (Some(reason), Some(code)) = (reasons.first_mut(), codes.first_mut()) {
                *reason = json!({ "Code": "TransactionConflict", "Message": MESSAGE });
                *code = "TransactionConflict";
            }
            let body = json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                "Message": format!(
                    "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
                    codes.join(", ")
                ),
                "CancellationReasons": reasons,
            });
            Some((StatusCode::BAD_REQUEST, Bytes::from(body.to_string())))
        }
        "PutItem" | "UpdateItem" | "DeleteItem" => Some(failure("TransactionConflictException", MESSAGE)),
        _ => None,
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
