//! The way in for AWS SDK clients of this process: no socket, no copy of the protocol.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::HeaderValue;
use http::header::HeaderName;
use http_body_util::BodyExt;

use super::{Door, TARGET, TOKEN};

/// An HTTP client for the SDK's configuration that leads to a [`Door`].
///
/// A dropped connection is an I/O error and a call that takes longer than the client's read timeout
/// is a timeout, so the SDK retries as it does in life.
#[derive(Debug, Clone)]
pub struct DoorConnector {
    door: Door,
    read_timeout: Option<Duration>,
}

impl DoorConnector {
    /// A connector to `door`.
    pub fn new(door: Door) -> Self {
        Self { door, read_timeout: None }
    }
}

impl HttpClient for DoorConnector {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Self { door: self.door.clone(), read_timeout: settings.read_timeout() })
    }
}

impl HttpConnector for DoorConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { door, read_timeout } = self.clone();
        HttpConnectorFuture::new(async move {
            let exchange = exchange(&door, request);
            match read_timeout {
                None => exchange.await,
                Some(limit) => match tokio::time::timeout(limit, exchange).await {
                    Ok(answer) => answer,
                    Err(elapsed) => Err(ConnectorError::timeout(elapsed.into())),
                },
            }
        })
    }
}

async fn exchange(door: &Door, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let body = match request.body().bytes() {
        Some(bytes) => Bytes::copy_from_slice(bytes),
        None => request.take_body().collect().await.map_err(ConnectorError::user)?.to_bytes(),
    };
    // The headers the door reads.
    let mut call = http::Request::new(body);
    for name in ["content-type", TARGET, TOKEN] {
        if let Some(value) = request.headers().get(name) {
            let value = HeaderValue::from_str(value).map_err(|error| ConnectorError::user(error.into()))?;
            call.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    let (parts, body) =
        door.handle(call).await.map_err(|dropped| ConnectorError::io(dropped.into()))?.into_parts();
    let status = StatusCode::try_from(parts.status.as_u16())
        .map_err(|error| ConnectorError::other(error.into(), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in &parts.headers {
        if let Ok(value) = value.to_str() {
            response.headers_mut().insert(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(response)
}
