//! The table itself, for tests that look or reach behind the API: every call goes through the guard,
//! under a role of the template.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{Company, Nexo};

/// The table's answer: its HTTP status and its JSON.
pub type TableAnswer = (u16, Value);

impl Nexo {
    /// The session token of a function's own role.
    pub fn function_token(&self, function: &str) -> String {
        let environment = self.server().environment(function, "http://door.invalid").expect("a function");
        environment["AWS_SESSION_TOKEN"].clone()
    }

    /// The session token that `ClientsFunction` gets for an account, from the guard's own STS.
    pub async fn tenant_token(&self, account: &str) -> String {
        let role = &self.server().template().roles["TenantRole"].arn;
        let answer = self.assume(&self.function_token("ClientsFunction"), role, account).await;
        answer.unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// The session token that `UploadsFunction` gets for an account.
    pub async fn files_token(&self, account: &str) -> String {
        let role = &self.server().template().roles["FilesTenantRole"].arn;
        let answer = self.assume(&self.function_token("UploadsFunction"), role, account).await;
        answer.unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// The session token that `UsersFunction` gets for an account.
    pub async fn directory_token(&self, account: &str) -> String {
        let role = &self.server().template().roles["DirectoryRole"].arn;
        let answer = self.assume(&self.function_token("UsersFunction"), role, account).await;
        answer.unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// The secret access key and the session token that `token`'s holder gets for a role and an account.
    pub async fn credentials(&self, token: &str, role: &str, account: &str) -> (String, String) {
        self.ask_sts(token, role, account).await.unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// What STS answers to `token`'s holder who asks for a role (an ARN) and an account: a session token,
    /// or XML.
    pub async fn assume(&self, token: &str, role: &str, account: &str) -> Result<String, String> {
        self.ask_sts(token, role, account).await.map(|(_, token)| token)
    }

    async fn ask_sts(&self, token: &str, role: &str, account: &str) -> Result<(String, String), String> {
        let form = format!(
            "Action=AssumeRole&Version=2011-06-15&RoleArn={role}&RoleSessionName=test&DurationSeconds=3600\
             &Tags.member.1.Key=account&Tags.member.1.Value={account}"
        );
        let request = http::Request::builder()
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-amz-security-token", token)
            .body(Bytes::from(form))
            .expect("a request");
        let answer = self.door().handle(request).await.expect("an answer");
        let text = String::from_utf8(answer.body().to_vec()).expect("text");
        let part = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>"))?;
            rest.split_once(&format!("</{name}>")).map(|(part, _)| part.to_owned())
        };
        part("SecretAccessKey").zip(part("SessionToken")).ok_or(text)
    }

    /// One call in DynamoDB's protocol, with any token or none.
    pub async fn table_call(&self, token: Option<&str>, operation: &str, body: &Value) -> TableAnswer {
        let mut request =
            http::Request::builder().header("x-amz-target", format!("DynamoDB_20120810.{operation}"));
        if let Some(token) = token {
            request = request.header("x-amz-security-token", token);
        }
        let request = request.body(Bytes::from(body.to_string())).expect("a request");
        let answer = self.door().handle(request).await.expect("an answer");
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).expect("JSON"))
    }

    /// The stored item of one of a company's clients, as DynamoDB's JSON.
    pub async fn client_item(&self, company: &Company<'_>, id: &str) -> Value {
        self.item(company, "CLI", ulid(id)).await
    }

    /// A stored item of a company's, as DynamoDB's JSON; null where there is none.
    pub async fn item(&self, company: &Company<'_>, tag: &str, sort: &str) -> Value {
        let account = company.account();
        let key = json!({"pk": {"S": format!("A#{account}#{tag}")}, "sk": {"S": sort}});
        let body = json!({"TableName": self.table_name(), "Key": key});
        let token = self.tenant_token(&account).await;
        let (status, answer) = self.table_call(Some(&token), "GetItem", &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["Item"].clone()
    }

    /// The table's name.
    pub fn table_name(&self) -> &str {
        &self.server().template().table.name
    }
}

impl Company<'_> {
    /// Makes a file that has arrived look as it does an hour later, when it can be purged, and leaves the clock alone.
    pub async fn outlast(&self, file: &Value) {
        let key = json!({
            "pk": {"S": format!("A#{}#FIL", self.account())},
            "sk": {"S": ulid(file["id"].as_str().expect("an id"))},
        });
        let change = json!({
            "TableName": self.nexo.table_name(), "Key": key,
            "UpdateExpression": "REMOVE settledAt", "ConditionExpression": "attribute_exists(settledAt)",
        });
        let token = self.nexo.tenant_token(&self.account()).await;
        let (status, answer) = self.nexo.table_call(Some(&token), "UpdateItem", &change).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// The account's ULID, as keys hold it.
    pub fn account(&self) -> String {
        match self.token().strip_prefix(nexo_identity::API_KEY_PREFIX) {
            Some(key) => key[..26].to_owned(),
            None => ulid(claims(self.token())["acc"].as_str().expect("an account")).to_owned(),
        }
    }

    /// An item that `auth` keeps about users.
    pub async fn identity_item(&self, partition: &str, sort: &str) -> Value {
        let key = json!({"pk": {"S": partition}, "sk": {"S": sort}});
        let get = json!({"TableName": self.nexo.table_name(), "Key": key});
        let auth = self.nexo.function_token("AuthFunction");
        let (status, answer) = self.nexo.table_call(Some(&auth), "GetItem", &get).await;
        assert_eq!(status, 200, "{answer}");
        answer["Item"].clone()
    }

    pub async fn put_identity_item(&self, item: &Value) {
        let put = json!({"TableName": self.nexo.table_name(), "Item": item});
        let auth = self.nexo.function_token("AuthFunction");
        let (status, answer) = self.nexo.table_call(Some(&auth), "PutItem", &put).await;
        assert_eq!(status, 200, "{answer}");
    }
}

/// What an access token says, unverified.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

/// The ULID of an id.
pub fn ulid(id: &str) -> &str {
    id.rsplit('_').next().expect("a part")
}

/// The size of an item in DynamoDB's JSON as DynamoDB counts it: names and values in UTF-8
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>).
pub fn item_size(item: &Value) -> usize {
    let members = item.as_object().expect("an item");
    members.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    let (kind, value) = value.as_object().and_then(|typed| typed.iter().next()).expect("a typed value");
    match (kind.as_str(), value) {
        ("S", Value::String(text)) => text.len(),
        // About one byte for two significant digits, and one.
        ("N", Value::String(number)) => {
            number.trim_start_matches('-').trim_matches('0').len().div_ceil(2) + 1
        }
        ("BOOL" | "NULL", _) => 1,
        ("L", Value::Array(elements)) => {
            3 + elements.iter().map(|element| 1 + value_size(element)).sum::<usize>()
        }
        ("M", Value::Object(members)) => {
            3 + members.iter().map(|(name, value)| 1 + name.len() + value_size(value)).sum::<usize>()
        }
        _ => panic!("no size is known for {kind}"),
    }
}
