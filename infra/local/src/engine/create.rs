//! Making the template's table, or finding that the one there is it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use dynoxide::Database;
use serde_json::{Value as Json, json};

use crate::template::{KeyAttribute, Table};

/// Makes the file with the table in it. The engine makes a table in several steps: beside, and then
/// renamed, so that one killed on the way leaves nothing, and not a table without its indexes.
pub(super) fn whole(file: &Path, table: &Table) -> Result<(), String> {
    let beside = |ending: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let (new, log) = (beside(".new"), beside(".new-wal"));
    // Of a start that was killed, or of a file that somebody took away: its log would be read into this one.
    for left in [&new, &log, &beside(".new-shm"), &beside("-wal"), &beside("-shm")] {
        if left.exists() {
            fs::remove_file(left).map_err(text)?;
        }
    }
    // SQLite gives its other files the mode of this one.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(text)?;
    let database = Database::new(new.to_str().ok_or("the path is not UTF-8")?).map_err(text)?;
    ensure(&database, table)?;
    drop(database);
    if log.exists() {
        return Err("the new table could not be closed".to_owned());
    }
    fs::rename(&new, file).map_err(text)?;
    let folder = file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all());
    folder.map_err(text)
}

/// Makes the table if it is absent.
pub(super) fn ensure(database: &Database, table: &Table) -> Result<(), String> {
    let describe = serde_json::from_value(json!({ "TableName": table.name })).map_err(text)?;
    match database.describe_table(describe) {
        Ok(found) => {
            let found = serde_json::to_value(found).map_err(text)?;
            if shape(&found["Table"]) != shape(&definition(table)) {
                return Err(format!(
                    "its table {} has another key or other indexes than the template; move the \
                     folder away to begin anew",
                    table.name
                ));
            }
        }
        Err(dynoxide::DynoxideError::ResourceNotFoundException(_)) => {
            let create = serde_json::from_value(definition(table)).map_err(text)?;
            database.create_table(create).map_err(text)?;
        }
        Err(error) => return Err(text(error)),
    }
    expire(database, table)
}

/// Sets the attribute that ends an item's life.
fn expire(database: &Database, table: &Table) -> Result<(), String> {
    let describe = serde_json::from_value(json!({ "TableName": table.name })).map_err(text)?;
    let found = database.describe_time_to_live(describe).map_err(text)?;
    let current = found.time_to_live_description.attribute_name;
    if current == table.ttl_attribute {
        return Ok(());
    }
    for (attribute, enabled) in [(current, false), (table.ttl_attribute.clone(), true)] {
        if let Some(attribute) = attribute {
            let update = serde_json::from_value(json!({
                "TableName": table.name,
                "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": enabled },
            }))
            .map_err(text)?;
            database.update_time_to_live(update).map_err(text)?;
        }
    }
    Ok(())
}

/// The `CreateTable` request.
fn definition(table: &Table) -> Json {
    let attributes: BTreeMap<&str, &str> = table
        .key
        .iter()
        .chain(table.indexes.iter().flat_map(|index| &index.key))
        .map(|attribute| (attribute.name.as_str(), attribute.data.letter()))
        .collect();
    let mut request = json!({
        "TableName": table.name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attributes
            .iter()
            .map(|(name, letter)| json!({ "AttributeName": name, "AttributeType": letter }))
            .collect::<Vec<_>>(),
        "KeySchema": key_schema(&table.key),
    });
    let indexes: Vec<Json> = table
        .indexes
        .iter()
        .map(|index| {
            let mut projection = json!({ "ProjectionType": index.projection });
            if !index.included.is_empty() {
                projection["NonKeyAttributes"] = json!(index.included);
            }
            json!({
                "IndexName": index.name,
                "KeySchema": key_schema(&index.key),
                "Projection": projection,
            })
        })
        .collect();
    if !indexes.is_empty() {
        request["GlobalSecondaryIndexes"] = Json::Array(indexes);
    }
    if let Some(view) = &table.stream {
        request["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": view });
    }
    request
}

fn key_schema(key: &[KeyAttribute]) -> Json {
    key.iter()
        .map(|attribute| json!({ "AttributeName": attribute.name, "KeyType": attribute.kind.word() }))
        .collect()
}

/// What must be the same for the stored table to be the template's.
fn shape(table: &Json) -> (Json, BTreeMap<String, (Json, Json)>) {
    let indexes = table["GlobalSecondaryIndexes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|index| {
            (
                index["IndexName"].to_string(),
                (index["KeySchema"].clone(), index["Projection"]["ProjectionType"].clone()),
            )
        })
        .collect();
    (table["KeySchema"].clone(), indexes)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
