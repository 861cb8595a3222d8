//! STS's one operation that functions use, in its own protocol: a form in, XML out.
//!
//! Source: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>.

use http::StatusCode;

use crate::issuer::CallerIdentity;
use crate::sts::LocalSts;

const ACTION: &str = "AssumeRole";

/// Answers a form. `caller` is who sent it.
pub(super) fn answer(sts: &LocalSts, caller: Option<&CallerIdentity>, form: &[u8]) -> (StatusCode, String) {
    let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(form).unwrap_or_default();
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let Some(CallerIdentity::Function { role }) = caller else {
        return failure(
            StatusCode::FORBIDDEN,
            "InvalidClientTokenId",
            "Only a function's own role may assume one",
        );
    };
    if field("Action") != Some(ACTION) {
        return failure(StatusCode::BAD_REQUEST, "InvalidAction", "Only AssumeRole is known here");
    }
    let tags: Vec<_> = fields.iter().filter(|(name, _)| name.starts_with("Tags.")).collect();
    let (Some(account), Some("account"), 2) =
        (field("Tags.member.1.Value"), field("Tags.member.1.Key"), tags.len())
    else {
        return failure(StatusCode::BAD_REQUEST, "ValidationError", "One session tag, account, is needed");
    };
    match sts.assume_tenant(role, field("RoleArn").unwrap_or_default(), account) {
        Ok(session) => {
            let ends = i64::try_from(session.expires_at_ms).unwrap_or(i64::MAX);
            let ends = nexo_domain::Timestamp::from_millis(ends);
            (
                StatusCode::OK,
                format!(
                    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
                     <Credentials><AccessKeyId>local</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
                     <SessionToken>{}</SessionToken><Expiration>{ends}</Expiration></Credentials>\
                     </AssumeRoleResult></AssumeRoleResponse>",
                    session.secret, session.token
                ),
            )
        }
        Err(error) => failure(StatusCode::FORBIDDEN, "AccessDenied", &error.to_string()),
    }
}

fn failure(status: StatusCode, code: &str, message: &str) -> (StatusCode, String) {
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    (
        status,
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        ),
    )
}
