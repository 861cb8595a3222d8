use axum::body::Body as HttpBody;
use nexo_domain::Text;
use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Note {
    title: Text<10>,
    #[serde(default)]
    body: Option<Text<10>>,
    #[serde(default)]
    place: Option<Place>,
    #[serde(default, rename = "a/b")]
    odd: Option<Text<10>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    city: Text<10>,
}

impl Input for Note {
    const SAMPLE: &'static str = r#"{"title":"Hello"}"#;

    fn validate(&self, errors: &mut FieldErrors) {
        if self.body.as_ref().is_some_and(|body| body.as_str() == self.title.as_str()) {
            errors.add("/body", "repeated", "must not repeat the title");
        }
    }
}

fn members_of(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("not an object: {other}"),
    }
}

fn laid(patch: Value) -> (Value, Vec<crate::FieldError>) {
    let sample = sample(Note::SAMPLE).unwrap();
    let known = members(&parse::<Note>(sample.clone(), &sample).unwrap()).unwrap();
    let (document, errors) = lay_over(&members_of(patch), &sample, &known);
    (Value::Object(document), errors.into_vec())
}

fn one(pointer: &str, code: &str, message: &str) -> Vec<crate::FieldError> {
    FieldErrors::one(pointer, code, message).into_vec()
}

fn request(content_type: Option<&str>, body: impl Into<HttpBody>) -> Request {
    let mut request = Request::new(body.into());
    if let Some(content_type) = content_type {
        request.headers_mut().insert(CONTENT_TYPE, content_type.parse().unwrap());
    }
    request
}

async fn whole(content_type: Option<&str>, body: impl Into<HttpBody>) -> Result<Note, Problem> {
    Body::from_request(request(content_type, body), &()).await.map(|Body(note)| note)
}

async fn patch(content_type: &str, body: &Value) -> Result<Patch<Note>, Problem> {
    Patch::from_request(request(Some(content_type), body.to_string()), &()).await
}

fn note(title: &str, body: Option<&str>) -> Note {
    let text = |text| Text::parse(text).unwrap();
    Note { title: text(title), body: body.map(text), place: None, odd: None }
}

#[test]
fn a_patch_is_checked_on_top_of_the_smallest_document() {
    assert_eq!(laid(json!({})), (json!({ "title": "Hello" }), vec![]));
    assert_eq!(laid(json!({ "body": "b" })), (json!({ "title": "Hello", "body": "b" }), vec![]));
    assert_eq!(laid(json!({ "title": "T" })), (json!({ "title": "T" }), vec![]));
}

#[test]
fn null_removes_what_is_not_required() {
    assert_eq!(laid(json!({ "body": null })), (json!({ "title": "Hello" }), vec![]));
    let refused = one("/title", "required", "is required and cannot be removed");
    assert_eq!(laid(json!({ "title": null })), (json!({ "title": "Hello" }), refused));
}

#[test]
fn null_is_refused_for_what_is_no_field() {
    let refused = one("/a~1c", "unknown_field", "is not a field here");
    assert_eq!(laid(json!({ "a/c": null })), (json!({ "title": "Hello" }), refused));
    assert_eq!(laid(json!({ "a/b": null })), (json!({ "title": "Hello" }), vec![]));
}

#[test]
fn a_part_of_a_nested_object_is_left_for_later() {
    assert_eq!(laid(json!({ "place": {} })), (json!({ "title": "Hello" }), vec![]));
    // Of an unknown one it is known already that it is wrong.
    assert_eq!(laid(json!({ "where": {} })), (json!({ "title": "Hello", "where": {} }), vec![]));
}

#[tokio::test]
async fn a_patch_names_the_fields_it_has() {
    let sent = json!({ "a/b": null, "body": "b" });
    let merged = patch("application/merge-patch+json", &sent).await.unwrap();
    assert_eq!((merged.values, merged.fields), (note("Hello", Some("b")), vec!["a/b".into(), "body".into()]));
}

#[tokio::test]
async fn all_that_is_wrong_with_a_patch_is_reported_at_once() {
    let body = json!({ "title": null, "body": 1, "password": null, "secret": "x" });
    let refused = patch("application/json", &body).await.err().unwrap();
    let rendered = crate::problem::tests::rendered(&refused).await;
    assert_eq!(
        rendered["errors"],
        json!([
            { "pointer": "/body", "code": "invalid_type", "message": "must be a string" },
            { "pointer": "/password", "code": "unknown_field", "message": "is not a field here" },
            { "pointer": "/secret", "code": "unknown_field", "message": "is not a field here" },
            { "pointer": "/title", "code": "required", "message": "is required and cannot be removed" },
        ])
    );
}

#[tokio::test]
async fn a_body_is_read_and_judged() {
    let json = Some("application/json");
    assert_eq!(whole(json, r#"{"title":" T ","body":"b"}"#).await.unwrap(), note("T", Some("b")));
    let refused = whole(json, r#"{"title":"T","body":"T"}"#).await.unwrap_err();
    let rendered = crate::problem::tests::rendered(&refused).await;
    let expected =
        json!([{ "pointer": "/body", "code": "repeated", "message": "must not repeat the title" }]);
    assert_eq!(rendered["errors"], expected);
}

#[tokio::test]
async fn a_body_says_that_it_is_json() {
    let body = Note::SAMPLE;
    for given in
        ["application/json", "Application/JSON", "application/json; charset=utf-8", " application/json ;x"]
    {
        assert!(whole(Some(given), body).await.is_ok(), "{given}");
    }
    for given in
        [None, Some(""), Some("text/json"), Some("application/jsonp"), Some("application/merge-patch+json")]
    {
        let refused = whole(given, body).await.unwrap_err();
        assert_eq!(refused.code(), Code::UnsupportedMediaType, "{given:?}");
    }
    assert!(patch("application/json-patch+json", &json!({})).await.is_err());
}

#[tokio::test]
async fn a_body_is_one_json_object() {
    let json = Some("application/json");
    for body in ["", " ", "null", "[]", "\"text\"", "{", "{}{}", "{\"title\":}", "{'title':'T'}"] {
        let refused = whole(json, body).await.unwrap_err();
        assert_eq!(refused.code(), Code::MalformedRequest, "{body}");
    }
    for twice in [r#"{"title":"One","title":"Two"}"#, r#"{"title":"One","place":{"city":"A","city":"B"}}"#] {
        let refused = whole(json, twice).await.unwrap_err();
        assert_eq!(refused.code(), Code::MalformedRequest, "{twice}");
        assert!(format!("{refused:?}").contains("given twice, at line 1"), "{refused:?}");
    }
    let not_utf8 = whole(json, vec![b'{', b'"', 0xff, b'"', b':', b'1', b'}']).await.unwrap_err();
    assert_eq!(not_utf8.code(), Code::MalformedRequest);
    let deep = format!("{{\"title\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(whole(json, deep).await.unwrap_err().code(), Code::MalformedRequest);
}

#[tokio::test]
async fn a_body_has_at_most_512_kilobytes() {
    let json = Some("application/json");
    let filled = |length: usize| format!("{}{}", Note::SAMPLE, " ".repeat(length - Note::SAMPLE.len()));
    assert!(whole(json, filled(512 * 1024)).await.is_ok());
    let refused = whole(json, filled(512 * 1024 + 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PayloadTooLarge);
}

#[tokio::test]
async fn an_optional_body_may_be_left_out() {
    let read = async |content_type, body: &'static str| {
        OptionalBody::<Note>::from_request(request(content_type, body), &())
            .await
            .map(|OptionalBody(note)| note)
    };
    assert_eq!(read(None, "").await.unwrap(), None);
    assert_eq!(read(Some("application/json"), "").await.unwrap(), None);
    assert_eq!(read(Some("application/json"), Note::SAMPLE).await.unwrap(), Some(note("Hello", None)));
    assert_eq!(read(None, Note::SAMPLE).await.unwrap_err().code(), Code::UnsupportedMediaType);
    assert_eq!(read(Some("application/json"), " ").await.unwrap_err().code(), Code::MalformedRequest);
}
