//! The names and ARNs that resources have on this machine.

use serde_json::Value as Json;

use super::TemplateError;
use super::resolve::{Resolver, Resource};

/// What `AWS::Region` is locally.
pub const REGION: &str = "local";
/// What `AWS::AccountId` is locally.
pub const ACCOUNT_ID: &str = "000000000000";

impl Resolver<'_> {
    /// What `Fn::GetAtt` gives.
    pub(super) fn attribute(
        &self,
        place: &str,
        id: &str,
        attribute: &str,
        depth: usize,
    ) -> Result<Json, TemplateError> {
        let resource =
            self.find(id).ok_or_else(|| TemplateError::new(place, format!("nothing is called {id}")))?;
        let arn = self.arn(&resource, depth)?;
        match (resource.kind, attribute) {
            (_, "Arn") | ("AWS::SecretsManager::Secret", "Id") => Ok(Json::String(arn)),
            ("AWS::DynamoDB::Table", "StreamArn") => Ok(Json::String(format!("{arn}/stream/local"))),
            _ => Err(TemplateError::new(place, format!("{id}.{attribute} is not known locally"))),
        }
    }

    /// The name a resource has: what the template calls it, or its logical id.
    pub(super) fn physical_name(
        &self,
        resource: &Resource<'_>,
        depth: usize,
    ) -> Result<String, TemplateError> {
        let property = match resource.kind {
            "AWS::DynamoDB::Table" => "TableName",
            "AWS::IAM::Role" => "RoleName",
            "AWS::Serverless::Function" => "FunctionName",
            "AWS::Logs::LogGroup" => "LogGroupName",
            "AWS::S3::Bucket" => "BucketName",
            _ => return Ok(resource.id.to_owned()),
        };
        match resource.properties.and_then(|all| all.get(property)) {
            None => Ok(resource.id.to_owned()),
            Some(value) => self.text(&self.place(&[resource.id, property]), value, depth + 1),
        }
    }

    /// The ARN a resource has here; its form is AWS's.
    pub(super) fn arn(&self, resource: &Resource<'_>, depth: usize) -> Result<String, TemplateError> {
        let name = self.physical_name(resource, depth)?;
        Ok(match resource.kind {
            "AWS::DynamoDB::Table" => {
                format!("arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/{name}")
            }
            "AWS::IAM::Role" => format!("arn:aws:iam::{ACCOUNT_ID}:role/{name}"),
            "AWS::Serverless::Function" => {
                format!("arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{name}")
            }
            "AWS::Logs::LogGroup" => {
                format!("arn:aws:logs:{REGION}:{ACCOUNT_ID}:log-group:{name}:*")
            }
            "AWS::S3::Bucket" => format!("arn:aws:s3:::{name}"),
            "AWS::SecretsManager::Secret" => {
                format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:{name}")
            }
            "AWS::KMS::Key" => format!("arn:aws:kms:{REGION}:{ACCOUNT_ID}:key/{name}"),
            _ => format!("arn:aws:local:{REGION}:{ACCOUNT_ID}:{name}"),
        })
    }
}
