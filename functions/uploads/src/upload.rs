//! `POST`, `PATCH` and `DELETE /api/uploads`, and restoring: what is known of a file.

use std::collections::BTreeMap;

use axum::Extension;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode};
use nexo_api::{
    Access as Who, Code, FieldErrors, Id, IfMatch, Input, Once, Operation, Patch, Problem, REPLAYED,
    Resource, Tenant, Verb, answer, created, json, shape, with_etag,
};
use nexo_domain::{
    FileCategory, FileId, FileName, FileStatus, FileType, Permission, Sha256, Tags, Timestamp, UserId, kind,
};
use nexo_files::{Announced, Bucket, LARGEST_WHOLE, Signed};
use nexo_store::{Created, Entity, Idempotency, StoreError};
use serde::{Deserialize, Serialize};

use crate::file::{File, Link, QUOTA, judge_links, judge_name, judge_size, judge_type};
use crate::parts;

pub(crate) const OPERATIONS: [Operation; 5] = [
    Operation {
        method: Verb::Post,
        path: "",
        id: "createFile",
        summary: "Announces a file, and answers where to upload it within 15 minutes",
        access: Who::Needs(Permission::FileWrite),
        problems: &[400, 409, 413, 415, 422],
        success: 201,
        shape: shape!(|draft| _ = draft.body::<NewFile>().idempotency_key().answer::<NewUpload>().created()),
    },
    Operation {
        method: Verb::Patch,
        path: "/{id}",
        id: "mergeFile",
        summary: "Renames a file, or changes what it belongs to (RFC 7396)",
        access: Who::Needs(Permission::FileWrite),
        problems: &[400, 404, 409, 412, 413, 415, 422],
        success: 200,
        shape: shape!(
            |draft| _ = draft.id::<kind::File>().if_match().patch::<FileChange>().record::<File>().etag()
        ),
    },
    Operation {
        method: Verb::Delete,
        path: "/{id}",
        id: "deleteFile",
        summary: "Deletes a file; it can be restored for 30 days",
        access: Who::Needs(Permission::FileDelete),
        problems: &[400, 404, 409, 412],
        success: 204,
        shape: shape!(|draft| _ = draft.id::<kind::File>().if_match()),
    },
    Operation {
        method: Verb::Post,
        path: "/{id}/restore",
        id: "restoreFile",
        summary: "Brings a deleted file back",
        access: Who::Needs(Permission::FileDelete),
        problems: &[404, 409],
        success: 200,
        shape: shape!(|draft| _ = draft.id::<kind::File>().record::<File>().etag()),
    },
    Operation {
        method: Verb::Post,
        path: "/{id}/purge",
        id: "purgeFile",
        summary: "Erases a deleted file for good, before its 30 days are over",
        access: Who::Needs(Permission::FileDelete),
        problems: &[404, 409],
        success: 204,
        shape: shape!(|draft| _ = draft.id::<kind::File>()),
    },
];

/// What is announced of a file.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewFile {
    /// What it is called, without a path.
    pub(crate) name: FileName,
    /// Of which type it is; the category says which can be.
    pub(crate) content_type: FileType,
    /// How many bytes it has: 1 to 5,368,709,120.
    pub(crate) size: u64,
    /// The SHA-256 of its bytes.
    pub(crate) sha256: Sha256,
    /// What it is to the account.
    pub(crate) category: FileCategory,
    /// What it belongs to: at most 20 records.
    #[serde(default)]
    pub(crate) links: Vec<Link>,
}

impl Input for NewFile {
    const SAMPLE: &'static str = File::SAMPLE;

    fn validate(&self, errors: &mut FieldErrors) {
        judge_size(self.size, errors);
        judge_type(self.content_type, self.category, errors);
        judge_name(&self.name, self.content_type, errors);
        judge_links(&self.links, errors);
    }
}

/// What can be changed of a file.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FileChange {
    /// What it is called, without a path.
    name: FileName,
    /// What it belongs to, in place of all before: at most 20 records.
    #[serde(default)]
    links: Vec<Link>,
    /// The user who is responsible for it.
    owner_id: Option<UserId>,
}

impl Input for FileChange {
    const SAMPLE: &'static str = r#"{"name":"contract-signed.pdf"}"#;
}

/// A file, and how to upload it.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewUpload {
    /// The file, as it is read, but for this.
    #[serde(flatten)]
    #[cfg_attr(feature = "openapi", schemars(with = "Shown"))]
    file: Entity<File>,
    /// The requests to make; null where a retry finds the file arrived, deleted or expired, so that there is
    /// nothing left to upload.
    upload: Option<Upload>,
}

/// The members of a file that its description can show here.
#[cfg(feature = "openapi")]
#[derive(schemars::JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "described, not made")]
pub(crate) struct Shown {
    id: FileId,
    version: u64,
    created_at: Timestamp,
    name: FileName,
    content_type: FileType,
    size: u64,
    sha256: Sha256,
    category: FileCategory,
    links: Vec<Link>,
    status: FileStatus,
    quarantine_reason: Option<nexo_domain::QuarantineReason>,
    version_of: Option<FileId>,
    has_thumbnail: bool,
}

/// What uploads a file: a request that any client can make, once; or one for each part, for a file over 100 MB.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Upload {
    /// Always `PUT`.
    method: &'static str,
    /// The address; null where there are parts.
    url: Option<String>,
    /// The headers it must have, exactly. Browsers set `content-length` by themselves.
    headers: BTreeMap<String, String>,
    /// A request for each part, in their order; none where there is an address for the whole.
    parts: Vec<Part>,
    /// When the addresses end.
    expires_at: Timestamp,
}

/// A request that uploads a part. It can be made again until the file is complete.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Part {
    /// The address.
    url: String,
    /// The headers it must have, exactly: `content-length` says how many bytes the part has.
    headers: BTreeMap<String, String>,
}

impl Upload {
    fn whole(signed: Signed) -> Self {
        let Signed { url, headers, expires_at } = signed;
        let headers = headers.into_iter().collect();
        Self { method: "PUT", url: Some(url), headers, parts: Vec::new(), expires_at }
    }

    /// `None` of no part.
    pub(crate) fn parts(signed: Vec<Signed>) -> Option<Self> {
        let expires_at = signed.first()?.expires_at;
        let part = |part: Signed| Part { url: part.url, headers: part.headers.into_iter().collect() };
        let parts = signed.into_iter().map(part).collect();
        Some(Self { method: "PUT", url: None, headers: BTreeMap::new(), parts, expires_at })
    }
}

/// `POST /api/uploads`.
pub(crate) async fn create(
    Extension(bucket): Extension<Bucket>,
    tenant: Tenant,
    Once(new, idempotency): Once<NewFile>,
) -> Result<Response, Problem> {
    let owner_id = Some(tenant.scope().principal().user);
    announce(&bucket, &tenant, owner_id, new, None, idempotency.as_ref()).await
}

/// Announces a file, or a version of one, and answers where to upload it.
pub(crate) async fn announce(
    bucket: &Bucket,
    tenant: &Tenant,
    owner_id: Option<UserId>,
    new: NewFile,
    version_of: Option<FileId>,
    idempotency: Option<&Idempotency>,
) -> Result<Response, Problem> {
    let NewFile { name, content_type, size, sha256, category, links } = new;
    let fields = File {
        name,
        content_type,
        size,
        sha256,
        category,
        links,
        status: FileStatus::Pending,
        quarantine_reason: None,
        version_of,
        has_thumbnail: false,
    };
    let input = nexo_store::Input { owner_id, tags: Tags::default(), external_id: None, fields };
    let id = tenant.new_id()?;
    // Before the file counts: what fails here has taken no room, however often it is tried again.
    let begun = if size > LARGEST_WHOLE {
        let begun = bucket.begin_parts(tenant.scope(), &id, content_type).await;
        Some(begun.map_err(|error| Problem::unavailable(&error))?)
    } else {
        None
    };
    let Created { entity: file, replayed } =
        tenant.create_stored(id, input, begun.as_deref(), QUOTA, idempotency).await?;
    // Of a retry nobody hears what it has begun: that of the first is good still.
    let (file, awaited) = if replayed { as_it_is(tenant, file).await? } else { (file, Some(begun)) };
    let upload = match awaited {
        None => None,
        Some(Some(upload)) => parts::addresses(bucket, tenant, &file.id, &upload, size).await?,
        Some(None) => {
            let announced = Announced { size, content_type, sha256 };
            let signed = bucket.upload(tenant.scope(), &file.id, announced).await;
            Some(Upload::whole(signed.map_err(|error| Problem::internal(&error))?))
        }
    };
    let (version, path) = (file.version, format!("{}/{}", File::PATH, file.id));
    let shown = json(StatusCode::CREATED, &NewUpload { file, upload });
    let mut response = created(with_etag(shown, version), &path);
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// A file that was announced before, as it is now, and the id of its upload in parts if it comes so; `None` in place of
/// that when it does not wait for its bytes. What is deleted stays as it was announced.
async fn as_it_is(
    tenant: &Tenant,
    announced: Entity<File>,
) -> Result<(Entity<File>, Option<Option<String>>), Problem> {
    match tenant.upload_of::<File>(&announced.id).await {
        Ok((file, upload)) => {
            let is_awaited = file.input.fields.status == FileStatus::Pending;
            Ok((file, is_awaited.then_some(upload)))
        }
        // What a version was is not in the request alone.
        Err(StoreError::NotFound) if announced.input.fields.version_of.is_none() => Ok((announced, None)),
        Err(error) => Err(error.into()),
    }
}

/// Why a change is refused.
enum Refused {
    Store(StoreError),
    Fields(FieldErrors),
    IsVersion,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// `PATCH /api/uploads/{id}`.
pub(crate) async fn change(
    tenant: Tenant,
    Id(id): Id<kind::File>,
    IfMatch(expected): IfMatch,
    Patch { values, fields }: Patch<FileChange>,
) -> Result<Response, Problem> {
    let has = |name: &str| fields.iter().any(|field| field == name);
    let mut errors = FieldErrors::default();
    judge_links(&values.links, &mut errors);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let changed = tenant.change_stored(&id, expected, |file: &mut nexo_store::Input<File>| {
        if has("name") {
            let mut errors = FieldErrors::default();
            judge_name(&values.name, file.fields.content_type, &mut errors);
            if !errors.is_empty() {
                return Err(Refused::Fields(errors));
            }
            file.fields.name.clone_from(&values.name);
        }
        if has("links") {
            file.fields.links.clone_from(&values.links);
        }
        if has("ownerId") && file.fields.version_of.is_some() {
            return Err(Refused::IsVersion);
        }
        if has("ownerId") {
            file.owner_id = values.owner_id;
        }
        Ok(())
    });
    match changed.await {
        Ok(file) => Ok(answer(StatusCode::OK, &file)),
        Err(Refused::Fields(errors)) => Err(Problem::invalid(errors)),
        Err(Refused::IsVersion) => Err(Problem::new(
            Code::WrongState,
            "A version has the owner of its file. Change that of the file: its `versionOf`.",
        )),
        Err(Refused::Store(error)) => Err(with_current(&tenant, &id, error).await),
    }
}

/// `DELETE /api/uploads/{id}`.
pub(crate) async fn delete(
    tenant: Tenant,
    Id(id): Id<kind::File>,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    match tenant.delete::<File>(&id, expected).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(error) => Err(with_current(&tenant, &id, error).await),
    }
}

/// `POST /api/uploads/{id}/restore`.
pub(crate) async fn restore(tenant: Tenant, Id(id): Id<kind::File>) -> Result<Response, Problem> {
    Ok(answer(StatusCode::OK, &tenant.restore::<File>(&id).await?))
}

/// `POST /api/uploads/{id}/purge`.
pub(crate) async fn purge(tenant: Tenant, Id(id): Id<kind::File>) -> Result<Response, Problem> {
    tenant.purge_stored::<File>(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The problem for a failed write; for a stale version with the file as it is now.
async fn with_current(tenant: &Tenant, id: &FileId, error: StoreError) -> Problem {
    let stale = matches!(error, StoreError::Stale { .. });
    let problem = match error {
        StoreError::BeyondReach => Problem::denied_beyond_own(File::WRITE),
        error => Problem::from(error),
    };
    if !stale {
        return problem;
    }
    match tenant.get_consistent::<File>(id).await {
        Ok(current) => problem.with_current(&current),
        Err(_) => problem,
    }
}
