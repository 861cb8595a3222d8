//! The files of an account: what is known of them, and signed addresses to upload and download them at.
//!
//! No byte of a file goes through here: callers send them to, and get them from, S3. What arrives there is
//! looked at by the function `files`.

mod download;
mod file;
mod parts;
mod thumbnail;
mod upload;
mod versions;

pub use file::File;
use nexo_api::{Platform, Routes, list_and_get};
use nexo_files::Bucket;

/// The function's routes.
pub fn routes(platform: &Platform, bucket: Bucket) -> Routes {
    let [create, change, delete, restore, purge] = upload::OPERATIONS;
    let [address, complete] = parts::OPERATIONS;
    let [create_version, list_versions, latest] = versions::OPERATIONS;
    list_and_get::<File>(platform)
        .on(create, upload::create)
        .on(change, upload::change)
        .on(delete, upload::delete)
        .on(restore, upload::restore)
        .on(purge, upload::purge)
        .on(address, parts::address)
        .on(complete, parts::complete)
        .on(download::DOWNLOAD, download::download)
        .on(thumbnail::THUMBNAIL, thumbnail::thumbnail)
        .on(create_version, versions::create)
        .on(list_versions, versions::list)
        .on(latest, versions::latest)
        .share(bucket)
}
