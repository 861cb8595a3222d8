//! The way in for processes of their own, such as the real binaries under an emulator.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;

use super::{Door, Dropped};

/// DynamoDB takes no larger request.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// How long to wait after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(20);

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
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // The peer left before it was accepted, or there are no file handles for now.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let door = door.clone();
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service_fn(move |request| answer(door.clone(), request)));
        let connection = graceful.watch(connection);
        // An error here is a client that went away, or a connection dropped on order.
        #[expect(clippy::disallowed_methods, reason = "a server: shutdown waits for it")]
        tokio::spawn(async move {
            let _ = connection.await;
        });
    }
    drop(listener);
    graceful.shutdown().await;
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
