//! Another DynamoDB-compatible server in place of the embedded engine.
//!
//! The guard does not stand in front of it: whether it keeps accounts apart is up to that server.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::client::Waiters as _;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TimeToLiveSpecification,
};
use aws_sdk_dynamodb::{Client, Config};
use nexo_domain::{AccountId, Timestamp};
use nexo_identity::{BoxFuture, CredentialVendor, VendError};
use nexo_store::StoreConfig;

use crate::template::{KeyAttribute, KeyKind, Table};

/// Such a server, and what it takes for credentials: the same for every account.
#[derive(Clone)]
pub struct External {
    /// Its address.
    pub endpoint: String,
    /// An access key id it accepts.
    pub access_key_id: String,
    /// The secret that goes with it.
    pub secret_access_key: String,
}

impl External {
    pub(crate) fn credentials(&self) -> Credentials {
        Credentials::new(self.access_key_id.as_str(), self.secret_access_key.as_str(), None, None, "external")
    }
}

impl CredentialVendor for External {
    fn vend<'a>(
        &'a self,
        account: &'a AccountId,
    ) -> BoxFuture<'a, Result<nexo_identity::Credentials, VendError>> {
        Box::pin(async move {
            Ok(nexo_identity::Credentials {
                account: *account,
                access_key_id: self.access_key_id.clone(),
                secret_access_key: self.secret_access_key.clone(),
                session_token: String::new(),
                expires_at: Timestamp::MAX,
            })
        })
    }
}

/// How long a new table may take to become active.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Makes the template's table on the server at `endpoint`, unless there is one of its name.
///
/// # Errors
/// One line, when the server does not answer or refuses.
pub(crate) async fn ensure_table(
    endpoint: &str,
    region: &str,
    own: Credentials,
    table: &Table,
) -> Result<(), String> {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint)
        .credentials_provider(own)
        .http_client(StoreConfig::https())
        .build();
    let client = Client::from_conf(config);
    let fault = |what: &dyn std::error::Error| {
        let cause = what.source().map_or_else(|| what.to_string(), ToString::to_string);
        format!("{endpoint}: {cause}")
    };
    let known = client.list_tables().send().await.map_err(|error| fault(&error))?;
    if known.table_names().contains(&table.name) {
        return Ok(());
    }
    let incomplete = |error: aws_sdk_dynamodb::error::BuildError| error.to_string();
    let mut create = client
        .create_table()
        .table_name(&table.name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(schema(&table.key).map_err(incomplete)?));
    for index in &table.indexes {
        let index = GlobalSecondaryIndex::builder()
            .index_name(&index.name)
            .set_key_schema(Some(schema(&index.key).map_err(incomplete)?))
            .projection(
                Projection::builder()
                    .projection_type(ProjectionType::from(index.projection.as_str()))
                    .build(),
            )
            .build()
            .map_err(incomplete)?;
        create = create.global_secondary_indexes(index);
    }
    let mut named: Vec<&KeyAttribute> = Vec::new();
    for attribute in table.key.iter().chain(table.indexes.iter().flat_map(|index| &index.key)) {
        if !named.iter().any(|known| known.name == attribute.name) {
            named.push(attribute);
        }
    }
    for attribute in named {
        let definition = AttributeDefinition::builder()
            .attribute_name(&attribute.name)
            .attribute_type(ScalarAttributeType::from(attribute.data.letter()))
            .build()
            .map_err(incomplete)?;
        create = create.attribute_definitions(definition);
    }
    create.send().await.map_err(|error| fault(&error))?;
    let active = client.wait_until_table_exists().table_name(&table.name).wait(LONGEST_WAIT).await;
    active.map_err(|error| format!("{endpoint}: {error}"))?;
    if let Some(attribute) = &table.ttl_attribute {
        let expire = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true).build();
        let expire = client
            .update_time_to_live()
            .table_name(&table.name)
            .time_to_live_specification(expire.map_err(incomplete)?);
        // Some compatible servers have no TTL: expired items are ignored by readers anyway.
        let _ = expire.send().await;
    }
    Ok(())
}

fn schema(key: &[KeyAttribute]) -> Result<Vec<KeySchemaElement>, aws_sdk_dynamodb::error::BuildError> {
    key.iter()
        .map(|attribute| {
            let kind = match attribute.kind {
                KeyKind::Partition => KeyType::Hash,
                KeyKind::Sort => KeyType::Range,
            };
            KeySchemaElement::builder().attribute_name(&attribute.name).key_type(kind).build()
        })
        .collect()
}
