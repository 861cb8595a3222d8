//! Who signed a request: AWS's Signature Version 4, in its two forms, as S3 checks it.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html> and
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::request::Parts;
use nexo_domain::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::refusal::Refusal;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// How far a signer's clock may be ahead, and a request on its way, in milliseconds.
const SKEW_MS: i64 = 15 * 60 * 1000;

/// The longest that a presigned request is good, in seconds.
const LONGEST: i64 = 7 * 24 * 3600;

/// All but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a request says of its signer.
pub(super) struct Claim {
    /// The session token.
    pub(super) token: String,
    /// The digest of the body in hexadecimal, or [`UNSIGNED`].
    payload: String,
    scope: String,
    /// The moment of signing, as it is written.
    date: String,
    /// Names in lower case, in order.
    signed_headers: Vec<String>,
    signature: String,
    /// How long a presigned request is good, in seconds.
    expires: Option<i64>,
}

/// The parameters of the query, decoded.
pub(super) fn parameters(parts: &Parts) -> Vec<(String, String)> {
    let query = parts.uri.query().unwrap_or_default();
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

impl Claim {
    /// Reads the signature of a request.
    pub(super) fn read(parts: &Parts) -> Result<Self, Refusal> {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let unreadable = || Refusal::new(403, "AccessDenied", "The signature cannot be read");
        let query = parameters(parts);
        if let Some(authorization) = header("authorization") {
            let rest = authorization.strip_prefix(ALGORITHM).ok_or_else(unreadable)?;
            let fields: Vec<_> = rest.split(',').filter_map(|field| field.trim().split_once('=')).collect();
            let field = |name: &str| {
                fields
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| *value)
                    .ok_or_else(unreadable)
            };
            return Ok(Self {
                token: header("x-amz-security-token").ok_or_else(unreadable)?.to_owned(),
                payload: header("x-amz-content-sha256").ok_or_else(unreadable)?.to_owned(),
                scope: scope(field("Credential")?).ok_or_else(unreadable)?.to_owned(),
                date: header("x-amz-date").ok_or_else(unreadable)?.to_owned(),
                signed_headers: field("SignedHeaders")?.split(';').map(str::to_owned).collect(),
                signature: field("Signature")?.to_owned(),
                expires: None,
            });
        }
        let parameter = |name: &str| {
            let mut found = query.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone());
            // One that is given twice could mean one thing here and another there.
            found.next().filter(|_| found.next().is_none())
        };
        if parameter("X-Amz-Algorithm").as_deref() != Some(ALGORITHM) {
            return Err(Refusal::new(403, "AccessDenied", "Access Denied"));
        }
        let needed = |name: &str| parameter(name).ok_or_else(unreadable);
        let expires = needed("X-Amz-Expires")?.parse().map_err(|_| unreadable())?;
        if !(1..=LONGEST).contains(&expires) {
            return Err(Refusal::new(
                400,
                "AuthorizationQueryParametersError",
                "X-Amz-Expires is out of range",
            ));
        }
        Ok(Self {
            token: needed("X-Amz-Security-Token")?,
            payload: UNSIGNED.to_owned(),
            scope: scope(&needed("X-Amz-Credential")?).ok_or_else(unreadable)?.to_owned(),
            date: needed("X-Amz-Date")?,
            signed_headers: needed("X-Amz-SignedHeaders")?.split(';').map(str::to_owned).collect(),
            signature: needed("X-Amz-Signature")?,
            expires: Some(expires),
        })
    }

    /// Whether the holder of `secret` signed exactly this request, for now.
    pub(super) fn check(&self, parts: &Parts, secret: &str, now_ms: i64) -> Result<(), Refusal> {
        let unreadable = || Refusal::new(403, "AccessDenied", "X-Amz-Date cannot be read");
        let signed_at = moment(&self.date).ok_or_else(unreadable)?;
        if let Some(expires) = self.expires {
            if now_ms < signed_at - SKEW_MS {
                return Err(Refusal::new(403, "AccessDenied", "Request is not yet valid"));
            }
            if now_ms >= signed_at + expires * 1000 {
                return Err(Refusal::new(403, "AccessDenied", "Request has expired"));
            }
        } else if (now_ms - signed_at).abs() > SKEW_MS {
            let message = "The difference between the request time and the server's time is too large.";
            return Err(Refusal::new(403, "RequestTimeTooSkewed", message));
        }
        let wrong = || {
            let message = "The request signature we calculated does not match the signature you provided.";
            Refusal::new(403, "SignatureDoesNotMatch", message)
        };
        let mut parts_of_scope = self.scope.split('/');
        let (day, region, service, end) =
            (parts_of_scope.next(), parts_of_scope.next(), parts_of_scope.next(), parts_of_scope.next());
        if day != self.date.get(..8) || service != Some("s3") || end != Some("aws4_request") {
            return Err(wrong());
        }
        if !self.signed_headers.iter().any(|name| name == "host") {
            return Err(wrong());
        }
        self.every_amz_header_is_signed(parts)?;
        let request = hex(&Sha256::digest(self.canonical(parts)));
        let text = format!("{ALGORITHM}\n{}\n{}\n{request}", self.date, self.scope);
        let mut key = format!("AWS4{secret}").into_bytes();
        for step in [day.unwrap_or_default(), region.unwrap_or_default(), "s3", "aws4_request"] {
            key = mac(&key, step).finalize().into_bytes().to_vec();
        }
        let signature = unhex(&self.signature).ok_or_else(wrong)?;
        mac(&key, &text).verify_slice(&signature).map_err(|_| wrong())
    }

    /// A header that S3 acts on and nobody signed could make of a request what its signer did not mean: a copy
    /// of another object, another form of encryption.
    fn every_amz_header_is_signed(&self, parts: &Parts) -> Result<(), Refusal> {
        let unsigned = |name: &str| {
            name.starts_with("x-amz-") && !self.signed_headers.iter().any(|signed| signed == name)
        };
        if parts.headers.keys().any(|name| unsigned(name.as_str())) {
            let message = "There were headers present in the request which were not signed";
            return Err(Refusal::new(403, "AccessDenied", message));
        }
        Ok(())
    }

    /// The digest that the body must have.
    pub(super) fn payload(&self) -> Option<&str> {
        (self.payload != UNSIGNED).then_some(self.payload.as_str())
    }

    /// The request in the one spelling that is signed.
    fn canonical(&self, parts: &Parts) -> String {
        let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        let path: Vec<_> = parts
            .uri
            .path()
            .split('/')
            .map(|segment| encode(&percent_decode_str(segment).decode_utf8_lossy()))
            .collect();
        let mut query: Vec<_> = parameters(parts)
            .into_iter()
            .filter(|(name, _)| name != "X-Amz-Signature")
            .map(|(name, value)| format!("{}={}", encode(&name), encode(&value)))
            .collect();
        query.sort_unstable();
        let mut text = format!("{}\n{}\n{}\n", parts.method, path.join("/"), query.join("&"));
        for name in &self.signed_headers {
            let values: Vec<_> = parts
                .headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
                .collect();
            let value = match (name.as_str(), values.is_empty()) {
                // HTTP/2 has it in the address.
                ("host", true) => parts.uri.authority().map(ToString::to_string).unwrap_or_default(),
                _ => values.join(","),
            };
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}:{value}");
        }
        let _ = write!(text, "\n{}\n{}", self.signed_headers.join(";"), self.payload);
        text
    }
}

/// The part of a credential behind the access key's id.
fn scope(credential: &str) -> Option<&str> {
    credential.split_once('/').map(|(_, scope)| scope)
}

/// `20130524T000000Z` in milliseconds since 1970.
fn moment(date: &str) -> Option<i64> {
    if date.len() != 16 || !date.is_ascii() {
        return None;
    }
    let (day, time) = (&date[..8], &date[9..15]);
    let text =
        format!("{}-{}-{}T{}:{}:{}Z", &day[..4], &day[4..6], &day[6..], &time[..2], &time[2..4], &time[4..]);
    Timestamp::parse(&text).ok().map(Timestamp::as_millis)
}

#[expect(clippy::expect_used, reason = "HMAC takes any key")]
fn mac(key: &[u8], text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(text.as_bytes());
    mac
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's own documentation, with the token that every caller has here.
    fn example() -> (Parts, Claim) {
        let uri = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
                   &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
                   &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
                   &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        let request =
            http::Request::get(uri).header("host", "examplebucket.s3.amazonaws.com").body(()).unwrap();
        let claim = Claim {
            token: String::new(),
            payload: UNSIGNED.to_owned(),
            scope: "20130524/us-east-1/s3/aws4_request".to_owned(),
            date: "20130524T000000Z".to_owned(),
            signed_headers: vec!["host".to_owned()],
            signature: "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404".to_owned(),
            expires: Some(86400),
        };
        (request.into_parts().0, claim)
    }

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const THEN: i64 = 1_369_353_600_000;

    #[test]
    fn the_documented_example_is_right() {
        let (parts, claim) = example();
        claim.check(&parts, SECRET, THEN).unwrap();
        claim.check(&parts, SECRET, THEN + 86_399_999).unwrap();
    }

    #[test]
    fn a_signature_in_the_headers_is_good_for_a_quarter_of_an_hour_either_side() {
        let (parts, mut claim) = example();
        claim.expires = None;
        let code = |now: i64| claim.check(&parts, "another", now).unwrap_err().code;
        for (now, expected) in [
            (THEN - SKEW_MS - 1, "RequestTimeTooSkewed"),
            (THEN - SKEW_MS, "SignatureDoesNotMatch"),
            (THEN + SKEW_MS, "SignatureDoesNotMatch"),
            (THEN + SKEW_MS + 1, "RequestTimeTooSkewed"),
        ] {
            assert_eq!(code(now), expected, "{now}");
        }
    }

    #[test]
    fn whatever_differs_is_refused() {
        let code = |claim: &Claim, parts: &Parts, secret: &str, now: i64| {
            claim.check(parts, secret, now).unwrap_err().code
        };
        let (mut parts, mut claim) = example();
        assert_eq!(code(&claim, &parts, "another", THEN), "SignatureDoesNotMatch");
        assert_eq!(code(&claim, &parts, SECRET, THEN + 86_400_000), "AccessDenied");
        assert_eq!(code(&claim, &parts, SECRET, THEN - SKEW_MS - 1), "AccessDenied");
        parts.headers.insert("x-amz-copy-source", "a/b".parse().unwrap());
        assert_eq!(code(&claim, &parts, SECRET, THEN), "AccessDenied");
        parts.headers.clear();
        parts.headers.insert("host", "other.s3.amazonaws.com".parse().unwrap());
        assert_eq!(code(&claim, &parts, SECRET, THEN), "SignatureDoesNotMatch");
        let (mut parts, _) = example();
        parts.method = http::Method::PUT;
        assert_eq!(code(&claim, &parts, SECRET, THEN), "SignatureDoesNotMatch");
        let (parts, _) = example();
        claim.signature.truncate(62);
        assert_eq!(code(&claim, &parts, SECRET, THEN), "SignatureDoesNotMatch");
    }
}
