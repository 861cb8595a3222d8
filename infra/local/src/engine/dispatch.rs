//! One call to the engine: DynamoDB's JSON in, DynamoDB's JSON out.

use bytes::Bytes;
use dynoxide::actions::batch_get_item::BatchGetItemRequest;
use dynoxide::actions::delete_item::DeleteItemRequest;
use dynoxide::actions::describe_table::DescribeTableRequest;
use dynoxide::actions::get_item::GetItemRequest;
use dynoxide::actions::put_item::PutItemRequest;
use dynoxide::actions::query::QueryRequest;
use dynoxide::actions::transact_get_items::TransactGetItemsRequest;
use dynoxide::actions::transact_write_items::TransactWriteItemsRequest;
use dynoxide::actions::update_item::UpdateItemRequest;
use dynoxide::types::ConsumedCapacity;
use dynoxide::{Database, DynoxideError};
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Answer, Capacity};

type Outcome = Result<(Vec<u8>, Capacity), DynoxideError>;

pub(super) fn run(database: &Database, operation: &str, body: &[u8]) -> Answer {
    match dispatch(database, operation, body) {
        Ok((body, capacity)) => Answer { status: StatusCode::OK, body: Bytes::from(body), capacity },
        Err(error) => {
            let error = enveloped(operation, error);
            Answer {
                status: StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::BAD_REQUEST),
                body: Bytes::from(error.to_json()),
                capacity: Capacity::default(),
            }
        }
    }
}

/// An error in DynamoDB's form, from its name.
pub(crate) fn failure(name: &str, message: &str) -> (StatusCode, Bytes) {
    let (status, space) = match name {
        "InternalServerError" => (StatusCode::INTERNAL_SERVER_ERROR, "com.amazonaws.dynamodb.v20120810"),
        "AccessDeniedException"
        | "ExpiredTokenException"
        | "MissingAuthenticationTokenException"
        | "SerializationException"
        | "UnknownOperationException"
        | "UnrecognizedClientException" => (StatusCode::BAD_REQUEST, "com.amazon.coral.service"),
        _ => (StatusCode::BAD_REQUEST, "com.amazonaws.dynamodb.v20120810"),
    };
    let body = json!({ "__type": format!("{space}#{name}"), "message": message });
    (status, Bytes::from(body.to_string()))
}

/// Runs an operation, always asking for the capacity it used and telling it only to a caller who
/// asked too. The typed answer is changed before it is written, so no JSON is parsed for it.
macro_rules! metered {
    ($database:expr, $body:expr, $request:ty, $method:ident, $units:expr) => {{
        let mut request: $request = read($body)?;
        let asked = ask(&mut request.return_consumed_capacity);
        let mut response = $database.$method(request)?;
        let capacity = response.consumed_capacity.take_units(asked, $units);
        Ok((write(&response)?, capacity))
    }};
}

fn dispatch(database: &Database, operation: &str, body: &[u8]) -> Outcome {
    match operation {
        "GetItem" => metered!(database, body, GetItemRequest, get_item, Units::Read),
        "BatchGetItem" => metered!(database, body, BatchGetItemRequest, batch_get_item, Units::Read),
        "Query" => metered!(database, body, QueryRequest, query, Units::Read),
        "TransactGetItems" => {
            metered!(database, body, TransactGetItemsRequest, transact_get_items, Units::Read)
        }
        "PutItem" => metered!(database, body, PutItemRequest, put_item, Units::Write),
        "UpdateItem" => metered!(database, body, UpdateItemRequest, update_item, Units::Write),
        "DeleteItem" => metered!(database, body, DeleteItemRequest, delete_item, Units::Write),
        "TransactWriteItems" => {
            metered!(database, body, TransactWriteItemsRequest, transact_write_items, Units::Write)
        }
        "DescribeTable" => {
            let request: DescribeTableRequest = read(body)?;
            Ok((write(&database.describe_table(request)?)?, Capacity::default()))
        }
        _ => Err(DynoxideError::SerializationException(format!(
            "{operation} is not an operation of this table"
        ))),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, DynoxideError> {
    serde_json::from_slice(body).map_err(|error| unreadable(&error))
}

fn write(response: &impl Serialize) -> Result<Vec<u8>, DynoxideError> {
    serde_json::to_vec(response).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// The engine's readers put the class of a refusal before its text; its own server takes it off
/// again, and so does this.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    const VALIDATION: [&str; 2] = ["VALIDATION:", "VALIDATION_AS_READ:"];
    const SERIALIZATION: [&str; 2] = ["SERIALIZATION:", "SERIALIZATION_AS_READ:"];
    let text = error.to_string();
    // serde_json adds " at line 1 column 2".
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(before, _)| before);
    let marked = |markers: [&str; 2]| markers.iter().find_map(|marker| text.strip_prefix(*marker));
    if let Some(message) = text.strip_prefix("VALIDATION_REQUEST:") {
        DynoxideError::EnvelopedValidation(message.to_owned())
    } else if let Some(message) = marked(VALIDATION) {
        DynoxideError::ValidationException(message.to_owned())
    } else if let Some(message) = marked(SERIALIZATION) {
        DynoxideError::SerializationException(message.to_owned())
    } else if ["missing field", "unknown variant", "invalid type: null", "AttributeValue"]
        .iter()
        .any(|cause| text.contains(cause))
    {
        DynoxideError::ValidationException(text.to_owned())
    } else {
        DynoxideError::SerializationException(text.to_owned())
    }
}

/// `DynamoDB` wraps what is wrong with a single item's request in an envelope.
fn enveloped(operation: &str, error: DynoxideError) -> DynoxideError {
    match (operation, error) {
        ("PutItem" | "UpdateItem" | "DeleteItem", DynoxideError::EnvelopedValidation(message)) => {
            DynoxideError::ValidationException(format!("1 validation error detected: {message}"))
        }
        (_, error) => error,
    }
}

/// How much a caller asked to be told of the capacity used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Total,
    Indexes,
}

#[derive(Clone, Copy)]
enum Units {
    Read,
    Write,
}

/// Asks the engine for everything, and remembers what the caller asked for. A value that is not
/// DynamoDB's stays, for the engine to refuse.
fn ask(mode: &mut Option<String>) -> Asked {
    let asked = match mode.as_deref() {
        None | Some("NONE") => Asked::Nothing,
        Some("TOTAL") => Asked::Total,
        Some(_) => return Asked::Indexes,
    };
    *mode = Some("INDEXES".to_owned());
    asked
}

/// The capacity part of an answer, in both of its forms.
trait Metered {
    /// Adds up the units and leaves in the answer what the caller asked for.
    fn take_units(&mut self, asked: Asked, units: Units) -> Capacity;
}

impl Metered for Option<ConsumedCapacity> {
    fn take_units(&mut self, asked: Asked, units: Units) -> Capacity {
        let total = self.as_ref().map_or(0.0, |used| used.capacity_units);
        match (asked, &mut *self) {
            (Asked::Nothing, _) => *self = None,
            (Asked::Total, Some(used)) => summarise(used),
            _ => {}
        }
        units.of(total)
    }
}

impl Metered for Option<Vec<ConsumedCapacity>> {
    fn take_units(&mut self, asked: Asked, units: Units) -> Capacity {
        let total = self.iter().flatten().map(|used| used.capacity_units).sum::<f64>();
        match (asked, &mut *self) {
            (Asked::Nothing, _) => *self = None,
            (Asked::Total, Some(tables)) => tables.iter_mut().for_each(summarise),
            _ => {}
        }
        units.of(total)
    }
}

impl Units {
    fn of(self, total: f64) -> Capacity {
        match self {
            Self::Read => Capacity { read: total, write: 0.0 },
            Self::Write => Capacity { read: 0.0, write: total },
        }
    }
}

fn summarise(used: &mut ConsumedCapacity) {
    used.table = None;
    used.global_secondary_indexes = None;
    used.local_secondary_indexes = None;
}
