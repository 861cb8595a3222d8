//! Files over 100 MB come in parts: `POST /api/uploads/{id}/parts` and `/complete`.

use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{
    Access, Body, Code, FieldErrors, Id, Input, Operation, Problem, Tenant, Verb, answer, json, shape,
};
use nexo_domain::{FileId, FileStatus, Permission, kind};
use nexo_files::{Bucket, Completed, PART};
use nexo_store::Entity;
use serde::{Deserialize, Serialize};

use crate::file::{File, LARGEST};
use crate::upload::Upload;

pub(crate) const OPERATIONS: [Operation; 2] = [
    Operation {
        method: Verb::Post,
        path: "/{id}/parts",
        id: "addressFileParts",
        summary: "Answers new addresses for the parts of a file, for another 15 minutes",
        access: Access::Needs(Permission::FileWrite),
        problems: &[404, 409],
        success: 200,
        shape: shape!(|draft| _ = draft.id::<kind::File>().answer::<Parts>()),
    },
    Operation {
        method: Verb::Post,
        path: "/{id}/complete",
        id: "completeFile",
        summary: "Puts a file together of its parts",
        access: Access::Needs(Permission::FileWrite),
        problems: &[400, 404, 409, 413, 415, 422],
        success: 200,
        shape: shape!(|draft| _ = draft.id::<kind::File>().body::<Complete>().record::<File>().etag()),
    },
];

/// How to upload the parts of a file.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Parts {
    /// The requests to make; null where the file has arrived, or is uploaded as a whole, by the address that its
    /// announcement was answered with.
    upload: Option<Upload>,
}

/// What a file is put together of.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Complete {
    /// The `ETag` that each part was answered with, in their order.
    etags: Vec<String>,
}

/// How long after its announcement addresses for a file's parts are given, in milliseconds: 36 hours. It can be put
/// together for four more. From 48 on the daily round ends its upload, and gives it up unless its bytes are there
/// (`functions/sweep`).
const LATE_MS: i64 = 36 * 3600 * 1000;
const TOO_LATE_MS: i64 = 40 * 3600 * 1000;

/// The longest `ETag`, in bytes; S3's have 34.
const LONGEST_ETAG: usize = 128;

impl Input for Complete {
    const SAMPLE: &'static str = r#"{"etags":["\"9b2cf535f27731c974343645a3985328\""]}"#;

    fn validate(&self, errors: &mut FieldErrors) {
        let most = usize::try_from(LARGEST / PART).unwrap_or(usize::MAX);
        if self.etags.is_empty() || self.etags.len() > most {
            errors.add("/etags", "out_of_range", format!("has 1 to {most} entries"));
        }
        for (index, etag) in self.etags.iter().enumerate() {
            if etag.is_empty() || etag.len() > LONGEST_ETAG || !etag.bytes().all(|b| matches!(b, b' '..=b'~'))
            {
                errors.add(
                    &format!("/etags/{index}"),
                    "invalid_etag",
                    "must be an `ETag` of the answer to a part",
                );
            }
        }
    }
}

/// Signs the parts of a file that waits for its bytes.
pub(crate) async fn addresses(
    bucket: &Bucket,
    tenant: &Tenant,
    id: &FileId,
    upload: &str,
    size: u64,
) -> Result<Option<Upload>, Problem> {
    let signed = bucket.parts(tenant.scope(), id, upload, size).await;
    Ok(Upload::parts(signed.map_err(|error| Problem::internal(&error))?))
}

/// A file, and its upload in parts if it comes so. Refuses what would come too late for one that waits for its bytes, and
/// what comes for one that was given up.
async fn in_time(
    tenant: &Tenant,
    id: &FileId,
    late_ms: i64,
) -> Result<(Entity<File>, Option<String>), Problem> {
    let (file, upload) = tenant.upload_of::<File>(id).await?;
    let age_ms = tenant.now().as_millis() - file.created_at.as_millis();
    match file.input.fields.status {
        FileStatus::Expired => {
            Err(Problem::new(Code::WrongState, "The file has not arrived in time. Announce it anew."))
        }
        FileStatus::Pending if age_ms >= late_ms => Err(Problem::new(
            Code::WrongState,
            "The file was announced too long ago and is about to expire. Announce it anew.",
        )),
        FileStatus::Pending | FileStatus::Scanning | FileStatus::Available | FileStatus::Quarantined => {
            Ok((file, upload))
        }
    }
}

/// `POST /api/uploads/{id}/parts`.
pub(crate) async fn address(
    Extension(bucket): Extension<Bucket>,
    tenant: Tenant,
    Id(id): Id<kind::File>,
) -> Result<Response, Problem> {
    let (file, upload) = in_time(&tenant, &id, LATE_MS).await?;
    let File { size, status, .. } = file.input.fields;
    let upload = match upload {
        Some(upload) if status == FileStatus::Pending => {
            addresses(&bucket, &tenant, &id, &upload, size).await?
        }
        _ => None,
    };
    Ok(json(StatusCode::OK, &Parts { upload }))
}

/// `POST /api/uploads/{id}/complete`. What is complete stays so: a retry is answered the file as it is.
pub(crate) async fn complete(
    Extension(bucket): Extension<Bucket>,
    tenant: Tenant,
    Id(id): Id<kind::File>,
    Body(Complete { etags }): Body<Complete>,
) -> Result<Response, Problem> {
    let (file, upload) = in_time(&tenant, &id, TOO_LATE_MS).await?;
    if file.input.fields.status != FileStatus::Pending {
        return Ok(answer(StatusCode::OK, &file));
    }
    let Some(upload) = upload else {
        return Err(Problem::new(Code::Conflict, "The file is not uploaded in parts."));
    };
    let count = file.input.fields.size.div_ceil(PART);
    if u64::try_from(etags.len()).ok() != Some(count) {
        return Err(Problem::invalid_field(
            "/etags",
            "out_of_range",
            format!("has {count} entries, one for each part"),
        ));
    }
    let completed = bucket.complete(tenant.scope(), &id, &upload, &etags).await;
    match completed.map_err(|error| Problem::unavailable(&error))? {
        Completed::Done => Ok(answer(StatusCode::OK, &file)),
        Completed::Wrong => Err(Problem::invalid_field(
            "/etags",
            "not_uploaded",
            "names a part that is not there, or was uploaded again since",
        )),
        Completed::Over => Err(Problem::new(
            Code::Conflict,
            "The upload has ended, or another request completes it now. If the file stays `pending`, announce it anew.",
        )),
    }
}
