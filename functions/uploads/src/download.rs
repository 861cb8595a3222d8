//! `GET /api/uploads/{id}/download`: where to get a file's bytes.

use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{Access, Code, Id, Operation, Problem, Tenant, Verb, json, shape};
use nexo_domain::{FileId, FileStatus, Permission, Timestamp, kind};
use nexo_files::{Bucket, Signed};
use serde::Serialize;

use crate::file::File;

pub(crate) const DOWNLOAD: Operation = Operation {
    method: Verb::Get,
    path: "/{id}/download",
    id: "downloadFile",
    summary: "Answers where to download a file within 5 minutes",
    access: Access::Needs(Permission::FileRead),
    problems: &[404, 409],
    success: 200,
    shape: shape!(|draft| _ = draft.id::<kind::File>().answer::<Download>()),
};

/// Where to get a file's bytes: whoever has the address gets them until it ends.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Download {
    /// The address, to be asked with `GET`. Browsers save a file under its name, and show a thumbnail.
    url: String,
    /// When the address ends.
    expires_at: Timestamp,
}

impl Download {
    pub(crate) fn of(signed: Signed) -> Self {
        Self { url: signed.url, expires_at: signed.expires_at }
    }
}

/// `GET /api/uploads/{id}/download`.
pub(crate) async fn download(
    Extension(bucket): Extension<Bucket>,
    tenant: Tenant,
    Id(id): Id<kind::File>,
) -> Result<Response, Problem> {
    let file = available(&tenant, &id).await?;
    Ok(json(StatusCode::OK, &address(&bucket, &tenant, &id, &file).await?))
}

/// A file whose bytes may be had.
pub(crate) async fn available(tenant: &Tenant, id: &FileId) -> Result<File, Problem> {
    let file = tenant.get::<File>(id).await?.input.fields;
    let why_not = match file.status {
        FileStatus::Available => None,
        FileStatus::Pending => Some("The file has not arrived yet."),
        FileStatus::Scanning => Some("The file is being looked at for malware."),
        FileStatus::Expired => Some("The file has not arrived in time."),
        FileStatus::Quarantined => Some("The file is kept back: its `quarantineReason` says why."),
    };
    why_not.map_or(Ok(file), |why_not| Err(Problem::new(Code::Conflict, why_not)))
}

/// Where to download a file that is available.
pub(crate) async fn address(
    bucket: &Bucket,
    tenant: &Tenant,
    id: &FileId,
    file: &File,
) -> Result<Download, Problem> {
    let signed = bucket.download(tenant.scope(), id, &file.name, file.content_type).await;
    Ok(Download::of(signed.map_err(|error| Problem::internal(&error))?))
}
