//! `GET /api/uploads/{id}/thumbnail`: where to get a small picture of a picture.

use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{Access, Code, Id, Operation, Problem, Tenant, Verb, json, shape};
use nexo_domain::{Permission, kind};
use nexo_files::Bucket;

use crate::download::{Download, available};

pub(crate) const THUMBNAIL: Operation = Operation {
    method: Verb::Get,
    path: "/{id}/thumbnail",
    id: "getFileThumbnail",
    summary: "Answers where to get a file's thumbnail within 5 minutes: a JPEG of at most 320 pixels a side",
    access: Access::Needs(Permission::FileRead),
    problems: &[404, 409],
    success: 200,
    shape: shape!(|draft| _ = draft.id::<kind::File>().answer::<Download>()),
};

/// `GET /api/uploads/{id}/thumbnail`. It is had where the file is.
pub(crate) async fn thumbnail(
    Extension(bucket): Extension<Bucket>,
    tenant: Tenant,
    Id(id): Id<kind::File>,
) -> Result<Response, Problem> {
    if !available(&tenant, &id).await?.has_thumbnail {
        return Err(Problem::new(Code::NotFound, "The file has no thumbnail, as its `hasThumbnail` says."));
    }
    let signed = bucket.thumbnail(tenant.scope(), &id).await.map_err(|error| Problem::internal(&error))?;
    Ok(json(StatusCode::OK, &Download::of(signed)))
}
