//! The writes of the product, each with what it starts from, and what must be true once it is done.

use std::collections::BTreeSet;

use nexo_tests::{Answer, Company, Nexo, PASSWORD, registration};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// A write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Register,
    ConfirmRegistration,
    AskForReset,
    ResetPassword,
    AskForEmail,
    ConfirmEmail,
    CancelEmail,
    Login,
    Refresh,
    Logout,
    LogoutAll,
    ChangePassword,
    ChangeProfile,
    ChangeAccount,
    ChangeUser,
    RemoveUser,
    AddRole,
    CreatePlain,
    CreateUnique,
    CreateWithKey,
    CreateUniqueWithKey,
    /// Under a parent that has one itself.
    CreateUnderParent,
    /// With the tax id of a deleted record.
    CreateTakingOver,
    /// By somebody whose session is due for a look.
    CreateLater,
    Patch,
    PatchTogether,
    Replace,
    ReplaceTaxId,
    ReplaceParent,
    Delete,
    Restore,
    RestoreUnique,
    /// Counted in a department and a position, and in a history.
    CreateEmployee,
    TransferEmployee,
    PromoteEmployee,
    LeaveEmployee,
    ReturnEmployee,
    TerminateEmployee,
    RehireEmployee,
    DeleteEmployee,
    RestoreEmployee,
    MoveDepartment,
    /// Counted in the account's sum of bytes.
    CreateFile,
}

pub(crate) const WORKS: [Work; 43] = [
    Work::Register,
    Work::ConfirmRegistration,
    Work::AskForReset,
    Work::ResetPassword,
    Work::AskForEmail,
    Work::ConfirmEmail,
    Work::CancelEmail,
    Work::Login,
    Work::Refresh,
    Work::Logout,
    Work::LogoutAll,
    Work::ChangePassword,
    Work::ChangeProfile,
    Work::ChangeAccount,
    Work::ChangeUser,
    Work::RemoveUser,
    Work::AddRole,
    Work::CreatePlain,
    Work::CreateUnique,
    Work::CreateWithKey,
    Work::CreateUniqueWithKey,
    Work::CreateUnderParent,
    Work::CreateTakingOver,
    Work::CreateLater,
    Work::Patch,
    Work::PatchTogether,
    Work::Replace,
    Work::ReplaceTaxId,
    Work::ReplaceParent,
    Work::Delete,
    Work::Restore,
    Work::RestoreUnique,
    Work::CreateEmployee,
    Work::TransferEmployee,
    Work::PromoteEmployee,
    Work::LeaveEmployee,
    Work::ReturnEmployee,
    Work::TerminateEmployee,
    Work::RehireEmployee,
    Work::DeleteEmployee,
    Work::RestoreEmployee,
    Work::MoveDepartment,
    Work::CreateFile,
];

/// Where one write starts.
pub(crate) struct Case<'a> {
    work: Work,
    nexo: &'a Nexo,
    company: &'a Company<'a>,
    /// Marks the case's records, in an account that others use too.
    tag: String,
    /// The record that is changed.
    path: String,
    /// Its version.
    version: u64,
    parent: Value,
    /// Of the link that is opened.
    token: String,
}

impl Work {
    /// Whether it needs a company of its own, not just a record.
    pub(crate) fn is_of_a_user(self) -> bool {
        matches!(
            self,
            Self::Register
                | Self::ConfirmRegistration
                | Self::AskForReset
                | Self::ResetPassword
                | Self::AskForEmail
                | Self::ConfirmEmail
                | Self::CancelEmail
                | Self::Login
                | Self::Refresh
                | Self::Logout
                | Self::LogoutAll
                | Self::ChangePassword
                | Self::ChangeProfile
                | Self::ChangeAccount
                | Self::ChangeUser
                | Self::RemoveUser
                | Self::AddRole
                | Self::CreateLater
        )
    }

    /// Whether a case costs so many password hashes that not every mishap is worth its time.
    pub(crate) fn hashes_often(self) -> bool {
        matches!(self, Self::LogoutAll | Self::ChangePassword | Self::ResetPassword | Self::AskForEmail)
    }

    /// The status of the first attempt when it succeeds.
    pub(crate) fn succeeds(self) -> u16 {
        match self {
            Self::Register | Self::AskForReset | Self::AskForEmail => 202,
            Self::ConfirmRegistration
            | Self::CreatePlain
            | Self::CreateUnique
            | Self::CreateWithKey
            | Self::CreateUniqueWithKey
            | Self::CreateUnderParent
            | Self::CreateTakingOver
            | Self::CreateLater
            | Self::CreateEmployee
            | Self::CreateFile
            | Self::AddRole => 201,
            Self::Logout
            | Self::LogoutAll
            | Self::ChangePassword
            | Self::ResetPassword
            | Self::CancelEmail
            | Self::Delete
            | Self::DeleteEmployee
            | Self::RemoveUser => 204,
            _ => 200,
        }
    }

    /// What a retry may also be answered when the first attempt was written though its answer was
    /// lost. With an idempotency key it is the first answer again.
    pub(crate) fn settles(self) -> &'static [u16] {
        match self {
            // The link was used.
            Self::ConfirmRegistration | Self::ResetPassword | Self::ConfirmEmail | Self::CancelEmail => {
                &[410]
            }
            // It has this tax id, or name, the caller's own.
            Self::CreateUnique | Self::CreateTakingOver | Self::AddRole => &[409],
            // The session that asks is over.
            Self::Logout | Self::LogoutAll => &[401],
            // The current password is the new one already.
            Self::ChangePassword => &[422],
            // Not the version that was named; the answer shows the one there is.
            Self::Patch
            | Self::PatchTogether
            | Self::Replace
            | Self::ReplaceTaxId
            | Self::ReplaceParent
            | Self::ChangeProfile
            | Self::ChangeAccount
            | Self::ChangeUser
            | Self::TransferEmployee
            | Self::PromoteEmployee
            | Self::LeaveEmployee
            | Self::ReturnEmployee
            | Self::TerminateEmployee
            | Self::RehireEmployee
            | Self::MoveDepartment => &[412],
            // It is deleted. It is not deleted.
            Self::Delete
            | Self::Restore
            | Self::RestoreUnique
            | Self::DeleteEmployee
            | Self::RestoreEmployee
            | Self::RemoveUser => &[404],
            _ => &[],
        }
    }

    /// Whether making the request twice is making it once. A caller that lost the answer of one that
    /// is not looks before it tries again; to create a record blindly there are idempotency keys.
    pub(crate) fn is_repeatable(self) -> bool {
        !matches!(self, Self::CreatePlain | Self::Login)
    }

    /// Makes what the write starts from.
    pub(crate) async fn prepare<'a>(self, nexo: &'a Nexo, company: &'a Company<'a>, tag: String) -> Case<'a> {
        let mut case = Case {
            work: self,
            nexo,
            company,
            tag,
            path: String::new(),
            version: 1,
            parent: Value::Null,
            token: String::new(),
        };
        match self {
            Self::CreateUnderParent | Self::ReplaceParent => {
                let top = created(&case, json!({"name": "Top"})).await;
                case.parent =
                    created(&case, json!({"name": "Parent", "parentId": top["id"]})).await["id"].clone();
            }
            Self::CreateTakingOver => {
                let first = created(&case, json!({"name": "First", "taxId": case.tag})).await;
                delete(&case, &first).await;
            }
            Self::LogoutAll | Self::ChangePassword => {
                let body = json!({"email": case.company.email, "password": PASSWORD});
                let login = Answer::of(nexo.request(Method::POST, "/api/auth/login").json(&body)).await;
                assert_eq!(login.status, 200, "{login:?}");
            }
            Self::ConfirmRegistration => {
                nexo.post("/api/auth/register", &registration(&case.new_email())).await;
                case.token = nexo.link(&case.new_email(), "register").await;
            }
            Self::ResetPassword => {
                nexo.post("/api/auth/password-reset", &json!({"email": company.email})).await;
                case.token = nexo.link(&company.email, "password-reset").await;
            }
            Self::ConfirmEmail | Self::CancelEmail => {
                let body = json!({"newEmail": case.new_email(), "password": PASSWORD});
                company.post("/api/auth/email", &body).await;
                let new = nexo.link(&case.new_email(), "new-email").await;
                nexo.post("/api/auth/email/confirm", &json!({"token": new})).await;
                let word = if self == Self::ConfirmEmail { "old-email" } else { "keep-email" };
                case.token = nexo.link(&company.email, word).await;
            }
            Self::ChangeUser | Self::RemoveUser => {
                case.path = format!("/api/users/{}", company.colleague("member").await.user());
            }
            Self::CreateLater => {
                // The functions have seen this session; it is a minute since.
                assert_eq!(case.company.get("/api/clients").await.status, 200);
                nexo.clock.advance(61_000);
            }
            // That an account has files is noted at the first one.
            Self::CreateFile => {
                company.post("/api/uploads", &crate::uploads::announcement("first.pdf")).await;
                nexo.settled().await;
            }
            _ => {}
        }
        if self.is_of_employees() {
            staff(&mut case).await;
        }
        if self.changes_a_record() {
            let body = json!({"name": "Before", "taxId": format!("{} before", case.tag), "tags": [case.tag]});
            let record = created(&case, body).await;
            if matches!(self, Self::Restore | Self::RestoreUnique) {
                delete(&case, &record).await;
            }
            case.path = format!("/api/clients/{}", record["id"].as_str().expect("an id"));
        }
        case
    }

    fn changes_a_record(self) -> bool {
        !self.is_of_a_user() && !self.is_of_employees() && !format!("{self:?}").starts_with("Create")
    }

    fn is_of_employees(self) -> bool {
        format!("{self:?}").ends_with("Employee") || self == Self::MoveDepartment
    }
}

async fn created(case: &Case<'_>, body: Value) -> Value {
    let answer = case.company.post("/api/clients", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body
}

/// Makes two departments, a position, and an employee in the first department unless that is the work.
async fn staff(case: &mut Case<'_>) {
    let made = async |collection: &str, body: Value| {
        let answer = case.company.post(collection, &body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body
    };
    let mut world = json!({});
    for name in ["from", "to"] {
        let body = json!({"name": name, "code": format!("{} {name}", case.tag)});
        world[name] = made("/api/departments", body).await["id"].clone();
    }
    for (name, title) in [("position", "Engineer"), ("next", "Manager")] {
        world[name] = made("/api/positions", json!({"title": title})).await["id"].clone();
    }
    let mut path = format!("/api/departments/{}", world["from"].as_str().expect("an id"));
    if case.work != Work::MoveDepartment && case.work != Work::CreateEmployee {
        let id = made("/api/employees", employee(&case.tag, &world)).await["id"].clone();
        path = format!("/api/employees/{}", id.as_str().expect("an id"));
        let before = match case.work {
            Work::ReturnEmployee => Some(("leave", json!({"effectiveFrom": "2026-02-01"}))),
            Work::RehireEmployee => Some(("terminate", json!({"endDate": "2026-02-01"}))),
            _ => None,
        };
        if let Some((action, body)) = before {
            let answer = case.company.post(&format!("{path}/{action}"), &body).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            case.version = 2;
        }
        if case.work == Work::RestoreEmployee {
            assert_eq!(case.company.delete(&path).await.status, 204);
        }
    }
    (case.parent, case.path) = (world, path);
}

fn employee(tag: &str, world: &Value) -> Value {
    json!({
        "employeeNumber": tag, "firstName": "Ada", "lastName": tag, "workEmail": format!("{tag}@acme.example"),
        "departmentId": world["from"], "positionId": world["position"], "hireDate": "2026-01-15",
    })
}

async fn delete(case: &Case<'_>, record: &Value) {
    let path = format!("/api/clients/{}", record["id"].as_str().expect("an id"));
    assert_eq!(case.company.delete(&path).await.status, 204);
}

impl Case<'_> {
    /// The request, the same each time it is made.
    pub(crate) fn request(&self) -> RequestBuilder {
        let post = |path: &str, body: &Value| self.nexo.request(Method::POST, path).json(body);
        let signed_in = |method: Method, path: &str| self.company.request(method, path);
        let create = |more: Value| {
            let mut body = json!({"name": "After", "tags": [self.tag]});
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            signed_in(Method::POST, "/api/clients").json(&body)
        };
        let keyed = |request: RequestBuilder| request.header("idempotency-key", &self.tag);
        let change = |method: Method, media: &str, body: Value| {
            let body = body.to_string();
            signed_in(method, &self.path).header("if-match", "\"1\"").header("content-type", media).body(body)
        };
        let patch = |body| change(Method::PATCH, "application/merge-patch+json", body);
        let put = |tax_id: &str, parent: &Value| {
            let body = json!({"name": "After", "tags": [self.tag], "taxId": tax_id, "parentId": parent});
            change(Method::PUT, "application/json", body)
        };
        let act = |action: &str, body: Value| {
            let request = signed_in(Method::POST, &format!("{}/{action}", self.path));
            request.header("if-match", format!("\"{}\"", self.version)).json(&body)
        };
        let (before, after) = (format!("{} before", self.tag), format!("{} after", self.tag));
        match self.work {
            Work::Register => post("/api/auth/register", &registration(&self.new_email())),
            Work::ConfirmRegistration => post("/api/auth/register/confirm", &json!({"token": self.token})),
            Work::AskForReset => post("/api/auth/password-reset", &json!({"email": self.company.email})),
            Work::ResetPassword => {
                let body = json!({"token": self.token, "newPassword": NEW_PASSWORD});
                post("/api/auth/password-reset/confirm", &body)
            }
            Work::AskForEmail => {
                let body = json!({"newEmail": self.new_email(), "password": PASSWORD});
                signed_in(Method::POST, "/api/auth/email").json(&body)
            }
            Work::ConfirmEmail => post("/api/auth/email/confirm", &json!({"token": self.token})),
            Work::CancelEmail => post("/api/auth/email/cancel", &json!({"token": self.token})),
            Work::Login => {
                post("/api/auth/login", &json!({"email": self.company.email, "password": PASSWORD}))
            }
            Work::Refresh => {
                post("/api/auth/refresh", &json!({"refreshToken": self.company.refresh_token()}))
            }
            Work::Logout => signed_in(Method::POST, "/api/auth/logout"),
            Work::LogoutAll => signed_in(Method::POST, "/api/auth/logout-all"),
            Work::ChangePassword => {
                let body = json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD});
                signed_in(Method::POST, "/api/auth/password").json(&body)
            }
            Work::ChangeProfile => {
                let request = signed_in(Method::PATCH, "/api/auth/profile").header("if-match", "\"1\"");
                request
                    .header("content-type", "application/merge-patch+json")
                    .body(r#"{"firstName":"After"}"#)
            }
            Work::ChangeAccount => {
                let request = signed_in(Method::PATCH, "/api/account").header("if-match", "\"1\"");
                request.header("content-type", "application/merge-patch+json").body(r#"{"name":"After"}"#)
            }
            Work::ChangeUser => patch(json!({"roleIds": ["viewer"], "status": "disabled"})),
            Work::AddRole => {
                let body = json!({"name": "After", "permissions": ["client:read"]});
                signed_in(Method::POST, "/api/roles").json(&body)
            }
            Work::CreatePlain => create(json!({})),
            Work::CreateUnique | Work::CreateTakingOver => create(json!({"taxId": self.tag})),
            Work::CreateWithKey | Work::CreateLater => keyed(create(json!({}))),
            Work::CreateUniqueWithKey => keyed(create(json!({"taxId": self.tag}))),
            Work::CreateUnderParent => keyed(create(json!({"parentId": self.parent}))),
            Work::Patch => patch(json!({"status": "active"})),
            Work::PatchTogether => patch(json!({"taxId": after})),
            Work::Replace => put(&before, &Value::Null),
            Work::ReplaceTaxId => put(&after, &Value::Null),
            Work::ReplaceParent => put(&before, &self.parent),
            Work::Delete | Work::DeleteEmployee | Work::RemoveUser => signed_in(Method::DELETE, &self.path),
            Work::Restore | Work::RestoreUnique | Work::RestoreEmployee => {
                signed_in(Method::POST, &format!("{}/restore", self.path))
            }
            Work::CreateEmployee => {
                keyed(signed_in(Method::POST, "/api/employees").json(&employee(&self.tag, &self.parent)))
            }
            Work::TransferEmployee => {
                act("transfer", json!({"departmentId": self.parent["to"], "effectiveFrom": "2026-02-01"}))
            }
            Work::PromoteEmployee => {
                act("promote", json!({"positionId": self.parent["next"], "effectiveFrom": "2026-02-01"}))
            }
            Work::LeaveEmployee => act("leave", json!({"effectiveFrom": "2026-02-01"})),
            Work::ReturnEmployee => act("return", json!({"effectiveFrom": "2026-03-01"})),
            Work::TerminateEmployee => act("terminate", json!({"endDate": "2026-02-01"})),
            Work::RehireEmployee => act("rehire", json!({"hireDate": "2026-03-01"})),
            Work::MoveDepartment => patch(json!({"parentId": self.parent["to"]})),
            Work::CreateFile => {
                let body = crate::uploads::announcement(&format!("{}.pdf", self.tag));
                keyed(signed_in(Method::POST, "/api/uploads").json(&body))
            }
        }
    }

    /// Whether a request that must not be made twice has done its work.
    pub(crate) async fn is_done(&self) -> bool {
        let list = match self.work {
            Work::Login => self.company.get("/api/auth/sessions").await,
            _ => self.company.get(&format!("/api/clients?tag={}", self.tag)).await,
        };
        // The company's first session is from its registration.
        let before = usize::from(self.work == Work::Login);
        list.body["data"].as_array().is_some_and(|found| found.len() > before)
    }

    fn new_email(&self) -> String {
        format!("{}@new.example", self.tag)
    }

    /// What there is now, without what differs from one clean run to the next: times and ids.
    pub(crate) async fn state(&self) -> Value {
        let get = async |path: &str| {
            let answer = self.company.get(path).await;
            (answer.status.as_u16(), plain(&answer.body, &self.tag))
        };
        let sign_in = async |email: &str, password: &str| {
            let body = json!({"email": email, "password": password});
            Answer::of(self.nexo.request(Method::POST, "/api/auth/login").json(&body)).await
        };
        let sessions = async |token: &str| {
            let request = self.nexo.request(Method::GET, "/api/auth/sessions").bearer_auth(token);
            Answer::of(request).await.body["data"].as_array().map(Vec::len)
        };
        match self.work {
            // What was done is in the mails; one that came twice is one.
            Work::Register | Work::AskForReset | Work::AskForEmail => {
                let mut subjects = BTreeSet::new();
                for to in [&self.new_email(), &self.company.email] {
                    let mails = self.nexo.mails(to).await;
                    subjects.extend(mails.iter().map(|mail| mail["subject"].to_string()));
                }
                json!([subjects, get("/api/auth/profile").await])
            }
            Work::ConfirmEmail | Work::CancelEmail => {
                let mut logins = Vec::new();
                for email in [&self.new_email(), &self.company.email] {
                    logins.push(sign_in(email, PASSWORD).await.status.as_u16());
                }
                json!([logins, get("/api/auth/profile").await])
            }
            Work::ConfirmRegistration => {
                let login = sign_in(&self.new_email(), PASSWORD).await;
                let token = login.body["accessToken"].as_str().unwrap_or_default().to_owned();
                let clients = self.nexo.request(Method::GET, "/api/clients").bearer_auth(&token);
                json!([login.status.as_u16(), sessions(&token).await, Answer::of(clients).await.body])
            }
            Work::Login | Work::Refresh => {
                json!([get("/api/auth/profile").await, sessions(self.company.token()).await])
            }
            Work::Logout | Work::LogoutAll | Work::ChangePassword | Work::ResetPassword => {
                let profile = get("/api/auth/profile").await;
                let refresh = json!({"refreshToken": self.company.refresh_token()});
                let refresh =
                    Answer::of(self.nexo.request(Method::POST, "/api/auth/refresh").json(&refresh)).await;
                let changed = matches!(self.work, Work::ChangePassword | Work::ResetPassword);
                let password = if changed { NEW_PASSWORD } else { PASSWORD };
                let login = sign_in(&self.company.email, password).await;
                let token = login.body["accessToken"].as_str().unwrap_or_default();
                json!([profile, refresh.status.as_u16(), login.status.as_u16(), sessions(token).await])
            }
            Work::ChangeProfile => json!(get("/api/auth/profile").await),
            Work::CreateFile => {
                let all = self.company.get("/api/uploads?limit=100").await.body["data"].clone();
                let all = all.as_array().expect("a list");
                let bytes: u64 = all.iter().filter_map(|file| file["size"].as_u64()).sum();
                let counted = self.nexo.item(self.company, "STO", "STO").await["bytes"]["N"].clone();
                let name = format!("{}.pdf", self.tag);
                let made = all.iter().filter(|file| file["name"] == name).count();
                json!([made, counted == json!(bytes.to_string())])
            }
            Work::ChangeAccount => json!(get("/api/account").await),
            Work::AddRole => json!(get("/api/roles").await),
            // What was done is in the user's events once, whatever befell it.
            Work::ChangeUser | Work::RemoveUser => {
                let events = self.company.get(&format!("{}/activity", self.path)).await;
                let events = events.body["data"].as_array().map(Vec::len);
                json!([get(&self.path).await, get("/api/users").await, get("/api/account").await, events])
            }
            work if work.is_of_employees() => {
                let mut state = Vec::new();
                for (collection, name) in [
                    ("departments", "from"),
                    ("departments", "to"),
                    ("positions", "position"),
                    ("positions", "next"),
                ] {
                    let id = self.parent[name].as_str().expect("an id");
                    state.push(get(&format!("/api/{collection}/{id}")).await);
                }
                let listed =
                    self.company.get(&format!("/api/employees?q={}", self.tag)).await.body["data"].clone();
                for one in listed.as_array().expect("a list") {
                    let path = format!("/api/employees/{}", one["id"].as_str().expect("an id"));
                    state.push((200, plain(one, &self.tag)));
                    state.push(get(&format!("{path}/employment-records")).await);
                }
                json!(state)
            }
            _ => {
                let list = get(&format!("/api/clients?tag={}&sort=name", self.tag)).await;
                let one = if self.path.is_empty() { None } else { Some(get(&self.path).await) };
                json!([list, one, self.taken().await])
            }
        }
    }

    /// Whether each of the case's tax ids is taken. Asking changes nothing that counts.
    async fn taken(&self) -> Vec<u16> {
        let mut taken = Vec::new();
        if matches!(
            self.work,
            Work::CreatePlain | Work::CreateWithKey | Work::CreateUnderParent | Work::CreateLater
        ) {
            return taken;
        }
        for tax_id in [self.tag.clone(), format!("{} before", self.tag), format!("{} after", self.tag)] {
            let answer = self.company.post("/api/clients", &json!({"name": "Probe", "taxId": tax_id})).await;
            if answer.status == 201 {
                delete(self, &answer.body).await;
            }
            taken.push(answer.status.as_u16());
        }
        taken
    }
}

/// What the password is changed to.
const NEW_PASSWORD: &str = "another sentence to remember";

/// `value` without times, ids and the case's mark.
fn plain(value: &Value, tag: &str) -> Value {
    const DIFFERENT: [&str; 14] = [
        "id",
        "createdAt",
        "updatedAt",
        "createdBy",
        "updatedBy",
        "ownerId",
        "parentId",
        "departmentId",
        "positionId",
        "employmentRecordId",
        "email",
        "requestId",
        "timestamp",
        "lastLoginAt",
    ];
    match value {
        Value::String(text) => json!(text.replace(tag, "…")),
        Value::Array(elements) => elements.iter().map(|element| plain(element, tag)).collect(),
        Value::Object(members) => {
            let kept = members.iter().map(|(name, member)| {
                let member = if DIFFERENT.contains(&name.as_str()) {
                    json!(!member.is_null())
                } else {
                    plain(member, tag)
                };
                (name.clone(), member)
            });
            Value::Object(kept.collect())
        }
        other => other.clone(),
    }
}
