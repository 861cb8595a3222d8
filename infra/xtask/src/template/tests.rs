//! Each rule notices what breaks it.

use super::*;

const REGISTRY: &[&str] =
    &["AuthFunction", "ClientsFunction", "FallbackFunction", "HealthFunction", "MailFunction"];

/// What is wrong once the first `old` of the project's template is `new`.
fn after(old: &str, new: &str) -> Vec<String> {
    let path = crate::process::project().join("template.yaml");
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(old), "{old} is not in the template");
    problems(&text.replacen(old, new, 1), REGISTRY).unwrap()
}

#[test]
fn the_template_keeps_every_rule() {
    assert_eq!(check(), Ok(()));
}

#[test]
fn each_change_for_the_worse_is_noticed() {
    for (old, new, problem) in [
        ("[arm64]", "[x86_64]", "AuthFunction: does not run on arm64"),
        (
            "!GetAtt HealthFunctionRole.Arn",
            "!GetAtt AuthFunctionRole.Arn",
            "HealthFunction: has no AWS::IAM::Role of its own",
        ),
        (
            "!Ref HealthFunctionLogGroup",
            "!Ref AuthFunctionLogGroup",
            "HealthFunction: has no AWS::Logs::LogGroup of its own",
        ),
        ("      RetentionInDays: !Ref LogRetentionDays\n", "", "HttpApiLogGroup: keeps its lines for ever"),
        (
            "Action: [dynamodb:GetItem, dynamodb:BatchGetItem]",
            "Action: dynamodb:*",
            "ClientsFunctionRole: has a statement with a wildcard action",
        ),
        (
            "Resource: !GetAtt Table.Arn",
            "Resource: \"*\"",
            "AuthFunctionRole: has a statement on every resource",
        ),
        (
            "PointInTimeRecoveryEnabled: true",
            "PointInTimeRecoveryEnabled: false",
            "Table: has no point-in-time recovery",
        ),
        ("SSEEnabled: true", "SSEEnabled: false", "Table: is not encrypted under a key of ours"),
        ("AttributeName: expiresAt", "AttributeName: expires", "Table: has no TTL on expiresAt"),
        ("NEW_AND_OLD_IMAGES", "KEYS_ONLY", "Table: has no stream of both images"),
        (
            "            MaximumRecordAgeInSeconds: 21600\n",
            "",
            "ImporterFunction: tries records of the stream again for ever",
        ),
        (
            "MaximumRetryAttempts: -1",
            "MaximumRetryAttempts: 6",
            "ImporterFunction: gives up records of the stream after so many tries",
        ),
        (
            "Destination: !GetAtt MailFailures.Arn",
            "Destination: somewhere",
            "MailFunction: gives up records of the stream without noting them in a queue",
        ),
        (
            "      KmsMasterKeyId: !GetAtt ConfigKey.Arn\n",
            "",
            "ImportFailures: is not encrypted under a key of ours",
        ),
        ("source: [aws.guardduty]", "source: [aws.s3]", "FilesScan: has verdicts that nobody hears"),
        (
            "[GuardDuty Malware Protection Object Scan Result]",
            "[GuardDuty Finding]",
            "FilesScan: has verdicts that nobody hears",
        ),
        ("ObjectPrefixes: [a/]", "ObjectPrefixes: [b/]", "FilesScan: does not scan the files"),
        ("EnableKeyRotation: true", "EnableKeyRotation: false", "DataKey: does not rotate"),
        (
            "  HealthFunction:\n",
            "  ProbeFunction:\n",
            "HealthFunction: is in the registry, but not in the template",
        ),
        (
            "        - !Ref ClientsFunctionRole\n",
            "        - !Ref AuthFunctionRole\n",
            "ClientsFunction: NEXO_TENANT_ROLE_ARN is not the one role whose policies say: it may assume",
        ),
        (
            "                - !GetAtt ClientsFunctionRole.Arn\n",
            "                - !GetAtt AuthFunctionRole.Arn\n",
            "ClientsFunction: NEXO_TENANT_ROLE_ARN is not the one role whose policies say: trust it",
        ),
    ] {
        let found = after(old, new);
        assert!(found.iter().any(|one| one == problem), "{old} -> {new}: {found:#?}");
    }
}
