//! Describes routes as OpenAPI 3.1. Compiled into tools only: a function carries none of it.

use std::collections::BTreeMap;

use nexo_domain::IdKind;
use nexo_identity::RECENT_SECONDS;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::body::Input;
use crate::export::{columns, plural};
use crate::list::{DEFAULT_LIMIT, DEFAULT_SORT, LARGEST_LIMIT, SORTS};
use crate::routes::{Access, Operation};
use crate::{Resource, Routes, VERSION};

/// One operation while it is written down.
pub struct Draft<'a> {
    generator: &'a mut SchemaGenerator,
    components: &'a mut BTreeMap<String, Value>,
    operation_id: String,
    parameters: Vec<Value>,
    body: Option<Value>,
    answer: Option<Value>,
    media: &'static str,
    also: Option<u16>,
    headers: Map<String, Value>,
}

impl Draft<'_> {
    /// The request has a JSON body.
    pub fn body<T: Input + JsonSchema>(&mut self) -> &mut Self {
        let schema = self.generator.subschema_for::<T>().to_value();
        self.json_body("application/json", &schema, T::SAMPLE, true)
    }

    /// The request may have a JSON body.
    pub fn optional_body<T: Input + JsonSchema>(&mut self) -> &mut Self {
        let schema = self.generator.subschema_for::<T>().to_value();
        self.json_body("application/json", &schema, T::SAMPLE, false)
    }

    /// The request has a merge patch of a `T`.
    pub fn patch<T: Input + JsonSchema>(&mut self) -> &mut Self {
        let mut schema = <T as JsonSchema>::json_schema(self.generator).to_value();
        if let Some(members) = schema.as_object_mut() {
            members.remove("required");
        }
        let name = format!("{}Patch", T::schema_name());
        self.components.insert(name.clone(), schema);
        self.json_body("application/merge-patch+json", &reference(&name), T::SAMPLE, true)
    }

    /// The answer has a JSON body.
    pub fn answer<T: JsonSchema>(&mut self) -> &mut Self {
        self.answer = Some(self.generator.subschema_for::<T>().to_value());
        self
    }

    /// The same answer also comes with this status.
    pub fn also(&mut self, status: u16) -> &mut Self {
        self.also = Some(status);
        self
    }

    /// The answer is a JSON object of no further description.
    pub fn any_answer(&mut self) -> &mut Self {
        self.answer = Some(json!({"type": "object"}));
        self
    }

    /// The answer is a page.
    pub fn page(&mut self) -> &mut Self {
        self.answer = Some(json!({"type": "string"}));
        self.media = "text/html; charset=utf-8";
        self
    }

    /// The path holds the id of a record of kind `K`.
    pub fn id<K: IdKind>(&mut self) -> &mut Self {
        self.named::<nexo_domain::Id<K>>()
    }

    /// The path holds what `T` reads.
    pub fn named<T: JsonSchema>(&mut self) -> &mut Self {
        let schema = self.generator.subschema_for::<T>().to_value();
        self.parameters.push(json!({"name": "id", "in": "path", "required": true, "schema": schema}));
        self
    }

    /// The answer has an `ETag`.
    pub fn etag(&mut self) -> &mut Self {
        self.headers.insert("ETag".into(), text_header("The record's version"));
        self
    }

    /// The answer has an `ETag`, and the path of what was created.
    pub fn created(&mut self) -> &mut Self {
        self.headers.insert("Location".into(), text_header("The record's path"));
        self.etag()
    }

    /// The answer is a record of `R`.
    pub fn record<R: Resource>(&mut self) -> &mut Self {
        self.answered_with::<R>();
        self
    }

    /// The request may carry `If-Match`.
    pub fn if_match(&mut self) -> &mut Self {
        self.header(
            "If-Match",
            "The ETag the record must have; otherwise the answer is 412 with the record as it is",
        )
    }

    /// The request may have a query parameter that is one of these.
    pub fn choice(&mut self, name: &str, description: &str, choices: &[&str]) -> &mut Self {
        self.query(name, description, &json!({"type": "string", "enum": choices, "default": choices[0]}));
        self
    }

    /// The request may carry `Idempotency-Key`.
    pub fn idempotency_key(&mut self) -> &mut Self {
        self.header(
            "Idempotency-Key",
            "1 to 255 characters: within 24 hours a retry with the same key and body gets the first answer",
        )
    }

    /// The answer is a list of security events.
    pub fn activity(&mut self) -> &mut Self {
        self.limit("Events on a page");
        let cursor = self.generator.subschema_for::<nexo_domain::SecurityEventId>().to_value();
        self.query("cursor", "`nextCursor` of the page before, with the same type", &cursor);
        let types = self.generator.subschema_for::<nexo_domain::SecurityEventType>().to_value();
        self.query("type", "Only events of this type", &types);
        self.answer::<crate::Activity>()
    }

    pub(crate) fn list<R: Resource>(&mut self) {
        self.operation_id = format!("list{}", capital(plural::<R>()));
        self.limit("Records on a page");
        self.query(
            "cursor",
            "`nextCursor` of the page before, with the same sort and filters",
            &json!({"type": "string", "minLength": 1}),
        );
        self.narrowed::<R>();
        let entity = self.entity::<R>();
        let page = format!("{}Page", capital(R::NAME));
        self.components.insert(
            page.clone(),
            json!({
                "type": "object",
                "required": ["data", "nextCursor"],
                "properties": {
                    "data": {"type": "array", "items": entity},
                    "nextCursor": {
                        "type": ["string", "null"],
                        "description": "Give it as `cursor` to get the next page; null at the end. A filtered page may be short and still have a next one",
                    },
                },
            }),
        );
        self.answer = Some(reference(&page));
    }

    pub(crate) fn export<R: Resource>(&mut self) {
        self.operation_id = format!("export{}", capital(plural::<R>()));
        self.query(
            "cursor",
            "As it stands in the `Link` of the page before, with the same sort and filters",
            &json!({"type": "string", "minLength": 1}),
        );
        self.narrowed::<R>();
        let columns: Vec<Value> =
            columns::<R>().map(|column| json!({"name": column.name, "form": column.form.as_str()})).collect();
        self.answer_csv(&columns);
    }

    /// The answer is CSV with these columns, page by page.
    pub fn csv(&mut self, columns: &[&str]) -> &mut Self {
        self.query(
            "cursor",
            "As it stands in the `Link` of the page before",
            &json!({"type": "string", "minLength": 1}),
        );
        let columns: Vec<Value> = columns.iter().map(|name| json!({"name": name, "form": "text"})).collect();
        self.answer_csv(&columns);
        self
    }

    /// The answer is a page of CSV.
    fn answer_csv(&mut self, columns: &[Value]) {
        self.answer = Some(json!({"type": "string", "x-columns": columns}));
        self.media = "text/csv";
        self.headers.insert("Content-Disposition".into(), text_header("The name of the file"));
        self.headers.insert(
            "Link".into(),
            text_header("Where the next page is, with `rel=\"next\"` (RFC 8288); not there at the end"),
        );
    }

    /// The parameters that narrow and sort a list.
    fn narrowed<R: Resource>(&mut self) {
        let sorts: Vec<String> =
            SORTS.iter().flat_map(|(name, _)| [(*name).to_owned(), format!("-{name}")]).collect();
        self.query(
            "sort",
            "What to sort by; `-` in front for descending",
            &json!({"type": "string", "enum": sorts, "default": DEFAULT_SORT}),
        );
        for filter in R::FILTERS {
            self.query(filter.name, filter.summary, &json!({"type": "string", "minLength": 1}));
        }
    }

    pub(crate) fn create<R: Resource>(&mut self) {
        self.resource_operation::<R>("create");
        self.idempotency_key();
        let schema = self.input::<R>();
        self.json_body("application/json", &schema, R::SAMPLE, true);
        self.answered_with::<R>();
        self.headers.insert("Location".into(), text_header("The record's path"));
    }

    pub(crate) fn get<R: Resource>(&mut self) {
        self.resource_operation::<R>("get");
        self.id::<R::Kind>();
        self.header("If-None-Match", "An ETag: if the record still has it, the answer is 304 without a body");
        self.answered_with::<R>();
    }

    pub(crate) fn replace<R: Resource>(&mut self) {
        self.resource_operation::<R>("replace");
        self.id::<R::Kind>();
        self.if_match();
        let schema = self.input::<R>();
        self.json_body("application/json", &schema, R::SAMPLE, true);
        self.answered_with::<R>();
    }

    pub(crate) fn merge<R: Resource>(&mut self) {
        self.resource_operation::<R>("update");
        self.id::<R::Kind>();
        self.if_match();
        let schema = self.record_patch::<R>();
        self.json_body("application/merge-patch+json", &schema, R::SAMPLE, true);
        self.answered_with::<R>();
    }

    pub(crate) fn delete<R: Resource>(&mut self) {
        self.resource_operation::<R>("delete");
        self.id::<R::Kind>();
        self.if_match();
    }

    pub(crate) fn restore<R: Resource>(&mut self) {
        self.resource_operation::<R>("restore");
        self.id::<R::Kind>();
        self.answered_with::<R>();
    }

    fn resource_operation<R: Resource>(&mut self, verb: &str) {
        self.operation_id = format!("{verb}{}", capital(R::NAME));
    }

    fn answered_with<R: Resource>(&mut self) {
        self.answer = Some(self.entity::<R>());
        self.etag();
    }

    fn limit(&mut self, description: &str) {
        let schema =
            json!({"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT});
        self.query("limit", description, &schema);
    }

    fn query(&mut self, name: &str, description: &str, schema: &Value) {
        self.parameters
            .push(json!({"name": name, "in": "query", "description": description, "schema": schema}));
    }

    fn header(&mut self, name: &str, description: &str) -> &mut Self {
        self.parameters.push(
            json!({"name": name, "in": "header", "description": description, "schema": {"type": "string"}}),
        );
        self
    }

    fn json_body(&mut self, media_type: &str, schema: &Value, example: &str, required: bool) -> &mut Self {
        let example: Value = serde_json::from_str(example).unwrap_or_default();
        self.body = Some(
            json!({"required": required, "content": {media_type: {"schema": schema, "example": example}}}),
        );
        self
    }

    /// The record as it is answered: every member is always there.
    fn entity<R: Resource>(&mut self) -> Value {
        let (mut properties, _) = self.members::<R>();
        let id = self.generator.subschema_for::<nexo_domain::Id<R::Kind>>().to_value();
        let instant = self.generator.subschema_for::<nexo_domain::Timestamp>().to_value();
        let user = self.generator.subschema_for::<nexo_domain::UserId>().to_value();
        let deleted = self.generator.subschema_for::<Option<nexo_domain::Timestamp>>().to_value();
        for (name, schema) in [
            ("id", id),
            ("version", json!({"type": "integer", "minimum": 1, "description": "Counts the writes"})),
            ("createdAt", instant.clone()),
            ("createdBy", user.clone()),
            ("updatedAt", instant),
            ("updatedBy", user),
            ("deletedAt", deleted),
        ] {
            properties.insert(name.into(), schema);
        }
        let is_private = |name: &str| R::PRIVATE.is_some_and(|private| private.fields.contains(&name));
        let required: Vec<&String> = properties.keys().filter(|name| !is_private(name)).collect();
        let name = capital(R::NAME);
        let schema = json!({"type": "object", "required": required, "properties": properties});
        self.components.insert(name.clone(), schema);
        reference(&name)
    }

    fn input<R: Resource>(&mut self) -> Value {
        let (mut properties, required) = self.members::<R>();
        properties.retain(|name, _| !R::KEPT.contains(&name.as_str()));
        let name = format!("{}Input", capital(R::NAME));
        let schema = json!({
            "type": "object", "required": required, "properties": properties, "additionalProperties": false,
        });
        self.components.insert(name.clone(), schema);
        reference(&name)
    }

    fn record_patch<R: Resource>(&mut self) -> Value {
        let (mut properties, _) = self.members::<R>();
        properties.retain(|name, _| !R::KEPT.contains(&name.as_str()));
        let name = format!("{}Patch", capital(R::NAME));
        let schema = json!({
            "type": "object",
            "description": "A merge patch (RFC 7396): what is absent stays, what is null is removed. Nested objects are merged member by member",
            "properties": properties,
            "additionalProperties": false,
        });
        self.components.insert(name.clone(), schema);
        reference(&name)
    }

    fn members<R: Resource>(&mut self) -> (Map<String, Value>, Value) {
        let own = <R as JsonSchema>::json_schema(self.generator).to_value();
        let mut properties = own.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let owner = self.generator.subschema_for::<Option<nexo_domain::UserId>>().to_value();
        let tags = self.generator.subschema_for::<nexo_domain::Tags>().to_value();
        let external = self.generator.subschema_for::<Option<nexo_domain::Text<255>>>().to_value();
        properties.insert("ownerId".into(), owner);
        properties.insert("tags".into(), tags);
        properties.insert("externalId".into(), external);
        (properties, own.get("required").cloned().unwrap_or_else(|| json!([])))
    }
}

/// The whole description of `functions`' routes.
pub fn document(functions: &[Routes]) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = SchemaGenerator::new(settings);
    let mut components = BTreeMap::from([("Problem".to_owned(), problem())]);
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (path, operation) in functions.iter().flat_map(Routes::operations) {
        let described = describe(path, operation, &mut generator, &mut components);
        let method = operation.method.as_str().to_lowercase();
        paths.entry(path.clone()).or_default().insert(method, described);
    }
    for (name, schema) in generator.take_definitions(true) {
        components.insert(name, schema);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "NEXO",
            "version": VERSION,
            "description": "A multi-tenant CRM. Every operation works on the account of the caller and no other.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:4000", "description": "`cargo dev`"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "An access token (a JWT), or an API key where the operation has a permission that a key can have",
            }},
        },
    })
}

fn describe(
    path: &str,
    operation: &Operation,
    generator: &mut SchemaGenerator,
    components: &mut BTreeMap<String, Value>,
) -> Value {
    let mut draft = Draft {
        generator,
        components,
        operation_id: operation.id.to_owned(),
        parameters: Vec::new(),
        body: None,
        answer: None,
        media: "application/json",
        also: None,
        headers: Map::new(),
    };
    (operation.shape.describe)(&mut draft);
    let mut success = json!({"description": operation.summary});
    if let Some(schema) = draft.answer {
        success["content"] = json!({draft.media: {"schema": schema}});
    }
    if !draft.headers.is_empty() {
        success["headers"] = Value::Object(draft.headers);
    }
    let mut responses = Map::new();
    if operation.id == "get" {
        responses.insert("304".into(), json!({"description": "The record still has the given ETag"}));
    }
    let signed_in: &[u16] = match operation.access {
        Access::Public => &[],
        Access::Enrolling
        | Access::EnrollingRecently
        | Access::SignedIn
        | Access::SignedInRecently
        | Access::Needs(_)
        | Access::NeedsRecent(_) => &[401, 403],
    };
    for status in operation.problems.iter().chain(signed_in).chain(&[429, 500, 503, 504]) {
        responses.insert(status.to_string(), problem_response(*status));
    }
    for status in std::iter::once(operation.success).chain(draft.also) {
        responses.insert(status.to_string(), success.clone());
    }
    let tag = path.split('/').find(|part| !part.is_empty() && *part != "api").unwrap_or("nexo");
    let mut described = json!({
        "operationId": draft.operation_id,
        "summary": operation.summary,
        "tags": [tag],
        "responses": responses,
    });
    if !draft.parameters.is_empty() {
        described["parameters"] = Value::Array(draft.parameters);
    }
    if let Some(body) = draft.body {
        described["requestBody"] = body;
    }
    let is_public = operation.access == Access::Public;
    described["security"] = if is_public { json!([]) } else { json!([{"bearer": []}]) };
    if let Some(permission) = operation.access.permission() {
        described["x-permission"] = json!(permission.as_str());
    }
    if operation.access.demand().recent {
        described["x-max-authentication-age"] = json!(RECENT_SECONDS);
    }
    if !is_public && !operation.access.demand().enrolled {
        described["x-without-second-factor"] = json!(true);
    }
    described
}

fn problem_response(status: u16) -> Value {
    let mut response = json!({
        "description": status_text(status),
        "content": {"application/problem+json": {"schema": reference("Problem")}},
    });
    if matches!(status, 429 | 503 | 504) {
        response["headers"] =
            json!({"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}});
    }
    response
}

fn status_text(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Problem")
}

/// RFC 9457. The gateway's own refusals (429, 413, 503) have `message` instead, see the quirks in
/// `docs/API-DESIGN.md`.
fn problem() -> Value {
    json!({
        "type": "object",
        "description": "An error (RFC 9457)",
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string", "description": "What went wrong, for programs"},
            "requestId": {"type": "string"},
            "timestamp": {"type": "string", "format": "date-time"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["pointer", "code", "message"],
                    "properties": {
                        "pointer": {"type": "string", "description": "Where in the body (RFC 6901)"},
                        "code": {"type": "string"},
                        "message": {"type": "string"},
                    },
                },
            },
        },
    })
}

fn text_header(description: &str) -> Value {
    json!({"description": description, "schema": {"type": "string"}})
}

fn reference(name: &str) -> Value {
    Schema::new_ref(format!("#/components/schemas/{name}")).to_value()
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
