//! What a function stands on, without the function in front: for what no request can bring about.

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use nexo_api::Platform;
use nexo_local::DoorConnector;
use nexo_store::StoreConfig;
use nexo_tests::Nexo;

/// The platform of a function, under its role.
pub(crate) fn platform(nexo: &Nexo, function: &str) -> Platform {
    let token = nexo.function_token(function);
    let config = StoreConfig {
        table: nexo.table_name().to_owned(),
        region: "local".into(),
        endpoint: Some("http://door.invalid".into()),
        own_role: Credentials::new("local", "local", Some(token), None, "test"),
        http: SharedHttpClient::new(DoorConnector::new(nexo.door().clone())),
        clock: nexo.clock.clone(),
    };
    let mut platform = Platform::new(config, "nexo.local", None);
    platform.log = Arc::new(|_| ());
    platform
}
