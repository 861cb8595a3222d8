//! Access tokens: without the key, and with it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nexo_domain::RoleRef;
use nexo_identity::{
    ACCESS_TOKEN_SECONDS, AUDIENCE, MAX_TOKEN_BYTES, Principal, REVOCATION_SECONDS, SessionPrincipal,
    Standing,
};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use crate::accepts_only;
use crate::world::{self, ISSUER, NOW, header, message, sign, standing_now, verify};

/// Who does not have the key can make no token, nor another out of a genuine one.
pub fn access_token(input: &[u8]) {
    static GENUINE: LazyLock<String> = LazyLock::new(|| world::genuine_token(1));
    accepts_only(&GENUINE, input, |text| verify(text).is_some());
}

/// Signed with the right key, what is accepted is exactly what RFC 7519 and our profile allow, read by
/// another reader: a header and claims with a line break between them, or both as a token holds them.
pub fn signed_claims(input: &[u8]) {
    if let Some(end) = input.iter().position(|byte| *byte == b'\n') {
        let (header, claims) = (&input[..end], &input[end + 1..]);
        judge(&message(header, claims), header, claims);
    }
    if let Ok(whole) = std::str::from_utf8(input) {
        let parts = whole.split_once('.').and_then(|(header, claims)| {
            Some((URL_SAFE_NO_PAD.decode(header).ok()?, URL_SAFE_NO_PAD.decode(claims).ok()?))
        });
        match parts {
            // Bytes have one spelling.
            Some((header, claims)) if message(&header, &claims) == whole => judge(whole, &header, &claims),
            _ => assert!(verify(&sign(whole)).is_none(), "{whole}"),
        }
    }
}

fn judge(message: &str, header: &[u8], claims: &[u8]) {
    let token = sign(message);
    let expected = if token.len() > MAX_TOKEN_BYTES { None } else { principal_of(header, claims) };
    assert_eq!(verify(&token).map(|principal| Principal::clone(&principal)), expected, "{token}");
}

/// Who a token speaks for, by the rules of docs/SECURITY.md, "Access tokens".
fn principal_of(given_header: &[u8], claims: &[u8]) -> Option<Principal> {
    if Some(members(given_header)?) != members(header().as_bytes()) {
        return None;
    }
    let claims = members(claims)?;
    if claims.keys().ne(["acc", "aud", "exp", "iat", "iss", "jti", "roles", "sid", "sub"]) {
        return None;
    }
    let text = |name: &str| claims[name].as_str();
    let (iat, exp) = (claims["iat"].as_i64()?, claims["exp"].as_i64()?);
    text("jti")?;
    let is_ours = text("iss")? == ISSUER && text("aud")? == AUDIENCE;
    let is_timely =
        iat <= NOW + 5 && exp > NOW && i128::from(exp) - i128::from(iat) <= i128::from(ACCESS_TOKEN_SECONDS);
    let role = |role: &Value| role.as_str()?.parse().ok();
    let roles: Vec<RoleRef> = claims["roles"].as_array()?.iter().map(role).collect::<Option<_>>()?;
    // What a role of the account's own grants is not in the token.
    let named = Standing::of_system_roles(&roles).filter(|_| iat > NOW - REVOCATION_SECONDS);
    let principal = SessionPrincipal {
        account: text("acc")?.parse().ok()?,
        user: text("sub")?.parse().ok()?,
        session: text("sid")?.parse().ok()?,
        standing: named.unwrap_or_else(standing_now).into(),
    };
    (is_ours && is_timely).then(|| principal.into())
}

/// The members of a JSON object that has none twice.
fn members(json: &[u8]) -> Option<BTreeMap<String, Value>> {
    let members: Members = serde_json::from_slice(json).ok()?;
    // Our signer writes no blanks; the verifier takes none before the object.
    json.starts_with(b"{").then_some(members.0)
}

struct Members(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;

        impl<'de> Visitor<'de> for Once {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member twice"));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Once)
    }
}
