//! A stand-in for Lambda's Runtime API that hands out one event a given number of times.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A function that has not done its work by then never will.
const PATIENCE: Duration = Duration::from_mins(15);

/// The stand-in, not yet serving.
pub(crate) struct RuntimeApi {
    listener: TcpListener,
    state: Arc<State>,
    done: mpsc::UnboundedReceiver<Bytes>,
    /// Closed when this is dropped, and not before: a function whose connection breaks does more work.
    connections: JoinSet<hyper::Result<()>>,
}

struct State {
    event: Bytes,
    answers: usize,
    given: AtomicUsize,
    done: mpsc::UnboundedSender<Bytes>,
}

impl RuntimeApi {
    /// Will hand out `event` until it was answered `answers` times.
    ///
    /// # Errors
    /// There is no port.
    pub(crate) async fn new(event: String, answers: usize) -> Result<Self, String> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| error.to_string())?;
        let (sender, done) = mpsc::unbounded_channel();
        let state = State { event: event.into(), answers, given: AtomicUsize::default(), done: sender };
        Ok(Self { listener, state: Arc::new(state), done, connections: JoinSet::new() })
    }

    /// Where a function finds it: `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// # Errors
    /// The socket is gone.
    pub(crate) fn address(&self) -> Result<SocketAddr, String> {
        self.listener.local_addr().map_err(|error| error.to_string())
    }

    /// Serves a function until it has answered often enough, and answers its last answer; empty when
    /// it was to answer none and has asked for the first event. The function waits from then on, until
    /// this is dropped, so what it has done until now can be counted.
    ///
    /// # Errors
    /// The function does not get there.
    pub(crate) async fn serve(&mut self) -> Result<Bytes, String> {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    let (stream, _) = accepted.map_err(|error| error.to_string())?;
                    let state = Arc::clone(&self.state);
                    let service = service_fn(move |request| {
                        let state = Arc::clone(&state);
                        async move { Ok::<_, Infallible>(state.answer(request).await) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new();
                    self.connections.spawn(connection.serve_connection(TokioIo::new(stream), service));
                }
                last = self.done.recv() => return last.ok_or_else(|| "the function left".to_owned()),
                () = tokio::time::sleep(PATIENCE) => return Err("the function does nothing".to_owned()),
            }
        }
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let is_next = request.uri().path().ends_with("/invocation/next");
        let is_answer = request.uri().path().ends_with("/response");
        let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
        let given = self.given.load(Ordering::Relaxed);
        if is_next && given < self.answers {
            self.given.store(given + 1, Ordering::Relaxed);
            return self.event();
        }
        if is_answer && given < self.answers {
            let mut accepted = Response::new(Full::default());
            *accepted.status_mut() = StatusCode::ACCEPTED;
            return accepted;
        }
        // The end, or a function that reports an error of its own: it gets no answer.
        let _ = self.done.send(body);
        std::future::pending().await
    }

    fn event(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.event.clone()));
        for (name, value) in [
            ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
            ("lambda-runtime-deadline-ms", "4102444800000"),
            ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:local:000000000000:function:bench"),
            ("content-type", "application/json"),
        ] {
            response.headers_mut().insert(name, http::HeaderValue::from_static(value));
        }
        response
    }
}
