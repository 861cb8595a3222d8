//! What `template.yaml` must keep to, beyond being valid: least privilege, nothing lost, nothing kept
//! too long. `cfn-lint` knows AWS's rules; these are ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_yaml_ng::Value;

/// Checks the project's template.
///
/// # Errors
/// Every rule it breaks, one a line.
pub(crate) fn check() -> Result<(), String> {
    let path = crate::process::project().join("template.yaml");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let routed = nexo_local::FUNCTIONS.iter().map(|(id, _)| *id);
    let registry: Vec<_> = routed.chain(nexo_local::CONSUMERS.iter().map(|(id, _)| *id)).collect();
    let problems = problems(&text, &registry)?;
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// What is wrong with a template whose functions should be those of `registry`.
fn problems(text: &str, registry: &[&str]) -> Result<Vec<String>, String> {
    let document: Value = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
    let template = Template { document: &document };
    let mut found = Problems(Vec::new());
    template.functions(registry, &mut found);
    template.statements(&mut found);
    template.logs_and_keys(&mut found);
    template.table(&mut found);
    template.streams(&mut found);
    template.verdicts(&mut found);
    Ok(found.0)
}

struct Problems(Vec<String>);

impl Problems {
    /// Notes that `id` breaks a rule unless `holds`.
    fn expect(&mut self, holds: bool, id: &str, rule: &str) {
        if !holds {
            self.0.push(format!("{id}: {rule}"));
        }
    }
}

struct Template<'a> {
    document: &'a Value,
}

impl<'a> Template<'a> {
    /// The resources of one type: logical id and properties.
    fn resources(&self, kind: &str) -> BTreeMap<&'a str, &'a Value> {
        let all = self.document["Resources"].as_mapping().into_iter().flatten();
        all.filter(|(_, resource)| resource["Type"] == kind)
            .filter_map(|(id, resource)| Some((id.as_str()?, &resource["Properties"])))
            .collect()
    }

    /// Each function has a role, a log group and an entry in the registry, all its own; runs on arm64;
    /// and can reach records exactly when it says so.
    fn functions(&self, registry: &[&str], found: &mut Problems) {
        let functions = self.resources("AWS::Serverless::Function");
        let globals = &self.document["Globals"]["Function"];
        let mut owned = BTreeSet::new();
        for (id, function) in &functions {
            let setting =
                |name: &str| Some(&function[name]).filter(|v| !v.is_null()).unwrap_or(&globals[name]);
            let (role, group) = (name(&function["Role"]), name(&function["LoggingConfig"]["LogGroup"]));
            for (what, kind) in [(role, "AWS::IAM::Role"), (group, "AWS::Logs::LogGroup")] {
                let is_own = what.is_some_and(|it| self.resources(kind).contains_key(it) && owned.insert(it));
                found.expect(is_own, id, &format!("has no {kind} of its own"));
            }
            let arm =
                setting("Architectures").as_sequence().is_some_and(|all| all.len() == 1 && all[0] == "arm64");
            found.expect(arm, id, "does not run on arm64");
            found.expect(setting("Runtime") == "provided.al2023", id, "does not run on provided.al2023");
            found.expect(registry.contains(id), id, "is not in the registry of infra/local/src/functions.rs");
            let assumed = name(&function["Environment"]["Variables"]["NEXO_TENANT_ROLE_ARN"]);
            let expected: BTreeSet<_> = assumed.into_iter().collect();
            let Some(role) = role else { continue };
            for (roles, what) in [(self.trusting(role), "trust it"), (self.assumable(role), "it may assume")]
            {
                let problem = format!("NEXO_TENANT_ROLE_ARN is not the one role whose policies say: {what}");
                found.expect(roles == expected, id, &problem);
            }
        }
        for id in registry {
            found.expect(functions.contains_key(id), id, "is in the registry, but not in the template");
        }
    }

    /// The roles that trust a role.
    fn trusting(&self, role: &str) -> BTreeSet<&'a str> {
        let trusts = |trusting: &Value| {
            let statements = list(&trusting["AssumeRolePolicyDocument"]["Statement"]);
            statements.flat_map(|statement| names(&statement["Principal"]["AWS"])).any(|known| known == role)
        };
        self.resources("AWS::IAM::Role")
            .into_iter()
            .filter(|(_, other)| trusts(other))
            .map(|(id, _)| id)
            .collect()
    }

    /// The roles that policies of their own let a role assume.
    fn assumable(&self, role: &str) -> BTreeSet<&'a str> {
        let policies = self.resources("AWS::IAM::Policy").into_values();
        policies
            .filter(|policy| names(&policy["Roles"]).any(|known| known == role))
            .flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]))
            .filter_map(|statement| name(&statement["Resource"]))
            .collect()
    }

    /// No policy names more than it must. In a key's own policy `*` is the only resource there is.
    fn statements(&self, found: &mut Problems) {
        let mut documents = Vec::new();
        for (id, role) in self.resources("AWS::IAM::Role") {
            found.expect(
                role["ManagedPolicyArns"].is_null(),
                id,
                "has a managed policy, whose content is not ours",
            );
            documents.push((id, &role["AssumeRolePolicyDocument"], false));
            documents.extend(list(&role["Policies"]).map(|policy| (id, &policy["PolicyDocument"], true)));
        }
        for kind in ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"] {
            documents
                .extend(self.resources(kind).into_iter().map(|(id, it)| (id, &it["PolicyDocument"], true)));
        }
        for (id, key) in self.resources("AWS::KMS::Key") {
            documents.push((id, &key["KeyPolicy"], false));
        }
        for (id, document, has_resources) in documents {
            for statement in list(&document["Statement"]) {
                let exact =
                    list(&statement["Action"]).all(|it| it.as_str().is_some_and(|it| !it.contains('*')));
                found.expect(
                    exact && !statement["Action"].is_null(),
                    id,
                    "has a statement with a wildcard action",
                );
                found.expect(statement["NotAction"].is_null(), id, "has a statement with NotAction");
                found.expect(statement["NotResource"].is_null(), id, "has a statement with NotResource");
                found.expect(statement["NotPrincipal"].is_null(), id, "has a statement with NotPrincipal");
                let anyone = list(&statement["Principal"]).chain(list(&statement["Principal"]["AWS"]));
                found.expect(anyone.into_iter().all(|it| it != "*"), id, "trusts everyone");
                let narrow =
                    !statement["Resource"].is_null() && list(&statement["Resource"]).all(|it| it != "*");
                found.expect(narrow || !has_resources, id, "has a statement on every resource");
            }
        }
    }

    /// Log lines go after a while, and keys are changed every year.
    fn logs_and_keys(&self, found: &mut Problems) {
        for (id, group) in self.resources("AWS::Logs::LogGroup") {
            found.expect(!group["RetentionInDays"].is_null(), id, "keeps its lines for ever");
            found.expect(name(&group["KmsKeyId"]).is_some(), id, "is not encrypted under a key of ours");
        }
        for (id, key) in self.resources("AWS::KMS::Key") {
            found.expect(key["EnableKeyRotation"] == true, id, "does not rotate");
        }
    }

    /// Records are encrypted, can be restored to any second, and go when their time is over.
    fn table(&self, found: &mut Problems) {
        for (id, table) in self.resources("AWS::DynamoDB::Table") {
            let encryption = &table["SSESpecification"];
            let own_key = encryption["SSEEnabled"] == true && name(&encryption["KMSMasterKeyId"]).is_some();
            found.expect(own_key, id, "is not encrypted under a key of ours");
            let restorable = &table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"];
            found.expect(*restorable == true, id, "has no point-in-time recovery");
            let ttl = &table["TimeToLiveSpecification"];
            found.expect(
                ttl["Enabled"] == true && ttl["AttributeName"] == "expiresAt",
                id,
                "has no TTL on expiresAt",
            );
            let stream = &table["StreamSpecification"]["StreamViewType"];
            found.expect(stream == "NEW_AND_OLD_IMAGES", id, "has no stream of both images");
            found.expect(table["BillingMode"] == "PAY_PER_REQUEST", id, "is not on demand");
            found.expect(table["DeletionProtectionEnabled"] == true, id, "can be deleted");
        }
    }

    /// A record that a function cannot process holds up the others for a while only, and is noted. The while is
    /// a time and not a number of tries, which an outage of minutes uses up.
    fn streams(&self, found: &mut Problems) {
        let queues = self.resources("AWS::SQS::Queue");
        for (id, function) in self.resources("AWS::Serverless::Function") {
            let events = function["Events"].as_mapping().into_iter().flatten().map(|(_, event)| event);
            for source in events.filter(|event| event["Type"] == "DynamoDB").map(|event| &event["Properties"])
            {
                let is_bounded = source["MaximumRecordAgeInSeconds"].as_u64().is_some();
                found.expect(is_bounded, id, "tries records of the stream again for ever");
                let outlasts = source["MaximumRetryAttempts"].as_i64().is_none_or(|tries| tries == -1);
                found.expect(outlasts, id, "gives up records of the stream after so many tries");
                let queue = name(&source["DestinationConfig"]["OnFailure"]["Destination"]);
                let is_noted = queue.is_some_and(|queue| queues.contains_key(queue));
                found.expect(is_noted, id, "gives up records of the stream without noting them in a queue");
            }
        }
        for (id, queue) in queues {
            let own_key = name(&queue["KmsMasterKeyId"]).is_some();
            found.expect(own_key, id, "is not encrypted under a key of ours");
        }
    }

    /// A plan that scans a bucket has its verdicts heard by a function that waits for them, at all times
    /// (<https://docs.aws.amazon.com/guardduty/latest/ug/monitor-with-eventbridge-s3-malware-protection.html>).
    fn verdicts(&self, found: &mut Problems) {
        let functions = self.resources("AWS::Serverless::Function");
        for (id, plan) in self.resources("AWS::GuardDuty::MalwareProtectionPlan") {
            let scans = list(&plan["ProtectedResource"]["S3Bucket"]["ObjectPrefixes"]).any(|one| one == "a/");
            found.expect(scans, id, "does not scan the files");
            let hears = |function: &Value| {
                let events = function["Events"].as_mapping().into_iter().flatten().map(|(_, event)| event);
                let mut rules = events.filter(|event| event["Type"] == "EventBridgeRule");
                rules.any(|rule| {
                    let rule = &rule["Properties"];
                    rule["Pattern"]["source"][0] == "aws.guardduty"
                        && rule["Pattern"]["detail-type"][0]
                            == "GuardDuty Malware Protection Object Scan Result"
                        && rule["State"].is_null()
                        && name(&function["Environment"]["Variables"]["NEXO_MALWARE_SCAN"])
                            == Some("MalwareScan")
                })
            };
            found.expect(
                functions.values().any(|function| hears(function)),
                id,
                "has verdicts that nobody hears",
            );
        }
    }
}

/// A list's items; anything else that is there is a list of one, as in policies.
fn list(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Null => Box::new(std::iter::empty()),
        Value::Sequence(items) => Box::new(items.iter()),
        single => Box::new(std::iter::once(single)),
    }
}

/// The logical ids that the items of a list refer to.
fn names(value: &Value) -> impl Iterator<Item = &str> {
    list(value).filter_map(name)
}

/// The logical id of `!Ref Id` or `!GetAtt Id.Attribute`.
fn name(value: &Value) -> Option<&str> {
    let Value::Tagged(tagged) = value else { return None };
    let text = tagged.value.as_str()?;
    (tagged.tag == "Ref" || tagged.tag == "GetAtt").then(|| text.split('.').next().unwrap_or(text))
}

#[cfg(test)]
mod tests;
