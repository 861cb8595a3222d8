//! New versions of a file: `POST` and `GET /api/uploads/{id}/versions`, and `GET /api/uploads/{id}/latest`.
//!
//! A version is a file of its own, whose id names its bytes for good; the file it is a version of notes it, and is the
//! one that lists show.

use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{Access, Code, FieldErrors, Id, Input, Once, Operation, Problem, Tenant, Verb, json, shape};
use nexo_domain::{FileName, FileStatus, FileType, Permission, Sha256, kind};
use nexo_files::Bucket;
use nexo_store::Entity;
use serde::{Deserialize, Serialize};

use crate::download::{Download, address};
use crate::file::{File, judge_name, judge_size, judge_type};
use crate::upload::{NewFile, NewUpload, announce};

pub(crate) const OPERATIONS: [Operation; 3] = [
    Operation {
        method: Verb::Post,
        path: "/{id}/versions",
        id: "createFileVersion",
        summary: "Announces a new version of a file, and answers where to upload it within 15 minutes",
        access: Access::Needs(Permission::FileWrite),
        problems: &[400, 404, 409, 413, 415, 422],
        success: 201,
        shape: shape!(|draft| _ =
            draft.id::<kind::File>().body::<NewVersion>().idempotency_key().answer::<NewUpload>().created()),
    },
    Operation {
        method: Verb::Get,
        path: "/{id}/versions",
        id: "listFileVersions",
        summary: "All versions of a file, newest first",
        access: Access::Needs(Permission::FileRead),
        problems: &[404],
        success: 200,
        shape: shape!(|draft| _ = draft.id::<kind::File>().answer::<Versions>()),
    },
    Operation {
        method: Verb::Get,
        path: "/{id}/latest",
        id: "getLatestFile",
        summary: "The newest version of a file that is available, and where to download it within 5 minutes",
        access: Access::Needs(Permission::FileRead),
        problems: &[404, 409],
        success: 200,
        shape: shape!(|draft| _ = draft.id::<kind::File>().answer::<Latest>()),
    },
];

/// What is announced of a new version. Its category, its links and its owner are those of the file.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewVersion {
    /// What it is called, without a path.
    name: FileName,
    /// Of which type it is; the file's category says which can be.
    content_type: FileType,
    /// How many bytes it has: 1 to 5,368,709,120.
    size: u64,
    /// The SHA-256 of its bytes.
    sha256: Sha256,
}

impl Input for NewVersion {
    const SAMPLE: &'static str = r#"{"name":"contract-2.pdf","contentType":"application/pdf","size":9,"sha256":"e5c62df5dab5c87b6a015ef3d43597074d1eec433b15f51aec63b8582d0e4ab4"}"#;

    fn validate(&self, errors: &mut FieldErrors) {
        judge_size(self.size, errors);
        judge_name(&self.name, self.content_type, errors);
    }
}

/// All versions of a file.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub(crate) struct Versions {
    /// Newest first; the last one is the file itself.
    #[cfg_attr(feature = "openapi", schemars(with = "Vec<crate::upload::Shown>"))]
    data: Vec<Entity<File>>,
}

/// The newest version of a file that is available.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub(crate) struct Latest {
    /// The version.
    #[cfg_attr(feature = "openapi", schemars(with = "crate::upload::Shown"))]
    file: Entity<File>,
    /// Where to get its bytes.
    download: Download,
}

/// `POST /api/uploads/{id}/versions`.
pub(crate) async fn create(
    Extension(bucket): Extension<Bucket>,
    tenant: Tenant,
    Id(id): Id<kind::File>,
    Once(new, idempotency): Once<NewVersion>,
) -> Result<Response, Problem> {
    let first = tenant.get_consistent::<File>(&id).await?;
    if first.input.fields.version_of.is_some() {
        let detail = "This is a version itself. Name the file that it is one of: its `versionOf`.";
        return Err(Problem::new(Code::WrongState, detail));
    }
    let File { category, links, .. } = first.input.fields;
    let NewVersion { name, content_type, size, sha256 } = new;
    let mut errors = FieldErrors::default();
    judge_type(content_type, category, &mut errors);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let new = NewFile { name, content_type, size, sha256, category, links };
    announce(&bucket, &tenant, first.input.owner_id, new, Some(id), idempotency.as_ref()).await
}

/// `GET /api/uploads/{id}/versions`.
pub(crate) async fn list(tenant: Tenant, Id(id): Id<kind::File>) -> Result<Response, Problem> {
    Ok(json(StatusCode::OK, &Versions { data: tenant.versions_of(&id).await? }))
}

/// `GET /api/uploads/{id}/latest`. Until a new version is available, this is the one before.
pub(crate) async fn latest(
    Extension(bucket): Extension<Bucket>,
    tenant: Tenant,
    Id(id): Id<kind::File>,
) -> Result<Response, Problem> {
    let versions = tenant.versions_of::<File>(&id).await?;
    let newest = versions.into_iter().find(|file| file.input.fields.status == FileStatus::Available);
    let Some(file) = newest else {
        return Err(Problem::new(Code::Conflict, "No version of the file is available."));
    };
    let download = address(&bucket, &tenant, &file.id, &file.input.fields).await?;
    Ok(json(StatusCode::OK, &Latest { file, download }))
}
