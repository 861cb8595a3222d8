//! Verifies what passkeys sign (Web Authentication Level 3, <https://www.w3.org/TR/webauthn-3/>), as far as
//! it is asked for here: passkeys that are found without a name, with the user verified, without attestation.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use nexo_api::Problem;
use nexo_domain::{AccountId, Invalid, UserId};
use nexo_identity::{Clock, Signer};
use nexo_store::Spent;
use nexo_tenant_key::DirectoryKey;
use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256};

use self::cose::PublicKey;

pub(crate) mod cose;

/// Seconds in which a passkey must answer a challenge.
pub(crate) const CHALLENGE_SECONDS: i64 = 5 * 60;

/// Who asks for passkeys: they are bound to its id, and used from its origin only.
pub(crate) struct RelyingParty {
    /// A domain; the origin's host, or what the host ends with.
    pub(crate) id: String,
    origin: String,
    challenges: [u8; 32],
}

/// What a challenge was made for. One that is made for one thing is good for no other.
#[derive(Clone, Copy)]
pub(crate) enum Ceremony<'a> {
    /// A new passkey of this user.
    Registration(&'a AccountId, &'a UserId),
    /// A proof by whichever passkey.
    Authentication,
}

impl Ceremony<'_> {
    /// `type` of the client's data.
    fn kind(self) -> &'static str {
        match self {
            Self::Registration(..) => "webauthn.create",
            Self::Authentication => "webauthn.get",
        }
    }
}

/// Bytes in base64url without padding, as browsers write them.
pub(crate) struct Base64Url(pub(crate) Vec<u8>);

/// More than any authenticator sends, in characters.
const LONGEST: usize = 16 * 1024;

impl<'de> Deserialize<'de> for Base64Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = Some(text).filter(|text| text.len() <= LONGEST);
        let bytes = bytes.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        bytes.map(Self).ok_or_else(|| {
            Invalid::new("invalid_base64url", "must be base64url without padding").into_de_error()
        })
    }
}

#[cfg(feature = "openapi")]
impl schemars::JsonSchema for Base64Url {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Base64Url".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "contentEncoding": "base64url"})
    }
}

/// A new passkey: what `credential.toJSON()` gives after `navigator.credentials.create()`.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub(crate) struct NewCredential {
    id: Base64Url,
    response: AttestationResponse,
}

/// Members that are not needed here are ignored.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct AttestationResponse {
    #[serde(rename = "clientDataJSON")]
    client_data: Base64Url,
    authenticator_data: Base64Url,
    #[serde(default)]
    transports: Vec<String>,
}

/// A proof by a passkey: what `credential.toJSON()` gives after `navigator.credentials.get()`.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub(crate) struct Assertion {
    id: Base64Url,
    response: AssertionResponse,
}

/// Members that are not needed here are ignored.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct AssertionResponse {
    #[serde(rename = "clientDataJSON")]
    client_data: Base64Url,
    authenticator_data: Base64Url,
    signature: Base64Url,
    user_handle: Option<Base64Url>,
}

/// What is kept of a new passkey.
pub(crate) struct Registered {
    pub(crate) credential_id: String,
    pub(crate) public_key: String,
    pub(crate) sign_count: u32,
    pub(crate) is_backup_eligible: bool,
    pub(crate) is_backed_up: bool,
    pub(crate) transports: Vec<String>,
    pub(crate) challenge: Spent,
}

/// What a genuine proof says.
pub(crate) struct Proven {
    pub(crate) sign_count: u32,
    pub(crate) is_backed_up: bool,
    pub(crate) challenge: Spent,
}

/// What a passkey was when it was registered and last used.
pub(crate) struct Known<'a> {
    pub(crate) public_key: &'a str,
    pub(crate) sign_count: u32,
    pub(crate) is_backup_eligible: bool,
}

impl Assertion {
    /// The credential that signed, in base64url.
    pub(crate) fn credential_id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.id.0)
    }

    /// The user the authenticator knows it by.
    pub(crate) fn user(&self) -> Option<(AccountId, UserId)> {
        read_handle(&self.response.user_handle.as_ref()?.0)
    }
}

/// What an authenticator calls a user: both ids, so that no index is needed to find them again.
pub(crate) fn user_handle(account: &AccountId, user: &UserId) -> String {
    URL_SAFE_NO_PAD.encode([account.ulid(), user.ulid()].concat())
}

fn read_handle(handle: &[u8]) -> Option<(AccountId, UserId)> {
    let (account, user) = std::str::from_utf8(handle).ok()?.split_at_checked(26)?;
    Some((AccountId::from_ulid(account).ok()?, UserId::from_ulid(user).ok()?))
}

impl RelyingParty {
    pub(crate) fn new(id: String, origin: String, signer: &Signer) -> Self {
        Self { id, origin, challenges: signer.key_for("nexo webauthn challenge 1") }
    }

    /// A challenge that is good for [`CHALLENGE_SECONDS`]. Nothing of it is kept until it is used.
    pub(crate) fn challenge(&self, clock: &Clock, ceremony: Ceremony<'_>) -> Result<String, Problem> {
        let mut bytes = vec![0; RANDOM];
        getrandom::fill(&mut bytes).map_err(|error| Problem::internal(&error))?;
        bytes.extend((clock.now_seconds() + CHALLENGE_SECONDS).to_be_bytes());
        let tag = self.mac(ceremony, &bytes).finalize().into_bytes();
        bytes.extend(tag);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The challenge, if it is one of ours for this ceremony and in time. Whether it was used before, the
    /// table knows.
    fn read_challenge(&self, clock: &Clock, ceremony: Ceremony<'_>, text: &str) -> Option<Spent> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, tag) = bytes.split_at_checked(RANDOM + 8)?;
        self.mac(ceremony, body).verify_slice(tag).ok()?;
        let expires_at = i64::from_be_bytes(body.get(RANDOM..)?.try_into().ok()?);
        (expires_at > clock.now_seconds())
            .then(|| Spent { key: DirectoryKey::spent(&body[..RANDOM]), expires_at })
    }

    fn mac(&self, ceremony: Ceremony<'_>, body: &[u8]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.challenges).expect("HMAC takes any key");
        mac.update(ceremony.kind().as_bytes());
        if let Ceremony::Registration(account, user) = ceremony {
            mac.update(account.ulid().as_bytes());
            mac.update(user.ulid().as_bytes());
        }
        mac.update(body);
        mac
    }

    /// Verifies a new passkey (section 7.1), or says what is wrong with it. There is no attestation to
    /// verify: whoever may register one may register any.
    pub(crate) fn register(
        &self,
        clock: &Clock,
        ceremony: Ceremony<'_>,
        new: &NewCredential,
    ) -> Result<Registered, &'static str> {
        let challenge = self.read_client_data(clock, ceremony, &new.response.client_data.0)?;
        let data = self.read_authenticator_data(&new.response.authenticator_data.0)?;
        let (credential_id, key) = data.credential().ok_or("it has no credential")?;
        if credential_id != new.id.0 {
            return Err("the credential has another id");
        }
        let public_key = cose::read(key).ok_or("its key is of no kind that was asked for")?.encoded;
        Ok(Registered {
            credential_id: URL_SAFE_NO_PAD.encode(credential_id),
            public_key: URL_SAFE_NO_PAD.encode(public_key),
            sign_count: data.sign_count,
            is_backup_eligible: data.has(BACKUP_ELIGIBLE),
            is_backed_up: data.has(BACKED_UP),
            transports: new
                .response
                .transports
                .iter()
                .filter(|one| is_transport(one))
                .take(8)
                .cloned()
                .collect(),
            challenge,
        })
    }

    /// Verifies a proof by a known passkey (section 7.2), or says what is wrong with it.
    pub(crate) fn authenticate(
        &self,
        clock: &Clock,
        known: &Known<'_>,
        proof: &Assertion,
    ) -> Result<Proven, &'static str> {
        let response = &proof.response;
        let challenge = self.read_client_data(clock, Ceremony::Authentication, &response.client_data.0)?;
        let data = self.read_authenticator_data(&response.authenticator_data.0)?;
        if data.has(BACKUP_ELIGIBLE) != known.is_backup_eligible {
            return Err("the passkey was registered with another backup eligibility");
        }
        // Two noughts: it does not count, which those that are synchronised cannot.
        if (data.sign_count, known.sign_count) != (0, 0) && data.sign_count <= known.sign_count {
            return Err("its count went back: there may be a copy of the passkey");
        }
        let key = URL_SAFE_NO_PAD.decode(known.public_key).ok();
        let key = key.as_deref().and_then(cose::read).ok_or("the stored key cannot be read")?;
        let hash = Sha256::digest(&response.client_data.0);
        let signed = [response.authenticator_data.0.as_slice(), &hash].concat();
        if !PublicKey::verify(&key.key, &signed, &response.signature.0) {
            return Err("the signature is not the passkey's");
        }
        Ok(Proven { sign_count: data.sign_count, is_backed_up: data.has(BACKED_UP), challenge })
    }

    fn read_client_data(
        &self,
        clock: &Clock,
        ceremony: Ceremony<'_>,
        json: &[u8],
    ) -> Result<Spent, &'static str> {
        let client: ClientData = serde_json::from_slice(json).map_err(|_| "the client's data is no JSON")?;
        if client.kind != ceremony.kind() {
            return Err("the client's data is of another type");
        }
        if client.origin != self.origin || client.cross_origin {
            return Err("it comes from another origin");
        }
        let challenge = self.read_challenge(clock, ceremony, &client.challenge);
        challenge.ok_or("the challenge is not one of ours, or took too long")
    }

    fn read_authenticator_data<'a>(&self, bytes: &'a [u8]) -> Result<AuthenticatorData<'a>, &'static str> {
        let data = AuthenticatorData::read(bytes).ok_or("the authenticator's data is too short")?;
        if data.party != Sha256::digest(&self.id).as_slice() {
            return Err("it is for another relying party");
        }
        if !data.has(USER_PRESENT) || !data.has(USER_VERIFIED) {
            return Err("the user was not verified");
        }
        if data.has(BACKED_UP) && !data.has(BACKUP_ELIGIBLE) {
            return Err("it is backed up and cannot be");
        }
        Ok(data)
    }
}

/// Random bytes of a challenge (section 13.4.3: at least 16).
const RANDOM: usize = 16;

/// What the browser signs for (section 5.8.1).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

/// Flags of the authenticator's data (section 6.1).
const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;

/// What the authenticator signs for (section 6.1).
struct AuthenticatorData<'a> {
    /// SHA-256 of the relying party's id.
    party: &'a [u8],
    flags: u8,
    sign_count: u32,
    rest: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (party, rest) = bytes.split_at_checked(32)?;
        let ([flags, count @ ..], rest) = rest.split_first_chunk::<5>()?;
        Some(Self { party, flags: *flags, sign_count: u32::from_be_bytes(*count), rest })
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The credential's id, and what follows: its key, and extensions that are of no use here (section 6.5.1).
    fn credential(&self) -> Option<(&'a [u8], &'a [u8])> {
        // The authenticator's model comes first.
        let (_, rest) = self.rest.split_at_checked(16).filter(|_| self.has(HAS_CREDENTIAL))?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        // Section 5.8.3: a longer one must be refused.
        rest.split_at_checked(length).filter(|_| (1..=1023).contains(&length))
    }
}

/// How a browser reaches an authenticator, such as `usb` or `hybrid`: kept to tell it again.
fn is_transport(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}
