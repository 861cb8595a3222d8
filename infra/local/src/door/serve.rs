//! The way in for processes of their own, such as the real binaries under an emulator.

use std::future::Future;
use std::io;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use tokio::net::TcpListener;

use super::{Door, Dropped};
use crate::listen::listen;

/// DynamoDB takes no larger request.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Why the guard cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener takes connections from other machines: a token on such a wire is readable.
    #[error("{0}: the table is served on a loopback address only")]
    NotLoopback(std::net::SocketAddr),
    /// The listener failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Serves the guard over HTTP/1 until `shutdown` resolves and the running calls are answered.
///
/// # Errors
/// The listener is not on a loopback address, or fails.
pub async fn serve(
    door: Door,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    listen(listener, shutdown, move |request, _| answer(door.clone(), request)).await;
    Ok(())
}

async fn answer(door: Door, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Dropped> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(response);
    };
    let response = door.handle(Request::from_parts(parts, body.to_bytes())).await?;
    Ok(response.map(Full::new))
}
