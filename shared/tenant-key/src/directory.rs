//! Keys of what is known before there is a principal: who may log in, and which sessions live.
//!
//! They are a type of their own. The table of an account's data does not take them, and the
//! functions' own roles, under which they are used, reach nothing else of the table.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nexo_domain::{
    AccountId, ApiKeyId, Email, FileId, InvitationId, Kind, MailId, SecurityEventId, SessionId, TeamId,
    UserId,
};
use nexo_identity::Link;
use sha2::{Digest as _, Sha256};

/// The key of an item that is read or written under a function's own role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DirectoryKey {
    partition: String,
    sort: String,
}

impl DirectoryKey {
    fn new(partition: String, sort: impl Into<String>) -> Self {
        Self { partition, sort: sort.into() }
    }

    /// The published signing keys, all in one item.
    pub fn public_keys() -> Self {
        Self::new("JWKS".into(), "JWKS")
    }

    /// The login of one address. There is one in all accounts.
    pub fn login(email: &Email) -> Self {
        Self::new(format!("EMAIL#{email}"), "LOGIN")
    }

    /// The count of failed logins of whatever `who` names (an address, a network, or both).
    pub fn attempts(who: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in who {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self::new(format!("TRY#{}", URL_SAFE_NO_PAD.encode(hash.finalize())), "TRY")
    }

    /// The account itself.
    pub fn account(account: &AccountId) -> Self {
        Self::new(format!("A#{}#ACC", account.ulid()), account.ulid())
    }

    /// One of an account's users.
    pub fn user(account: &AccountId, user: &UserId) -> Self {
        Self::new(format!("A#{}#USR", account.ulid()), user.ulid())
    }

    /// One of an account's files.
    pub fn file(account: &AccountId, file: &FileId) -> Self {
        Self::new(Self::files(account), file.ulid())
    }

    /// The partition of an account's files.
    pub fn files(account: &AccountId) -> String {
        format!("A#{}#FIL", account.ulid())
    }

    /// How much an account's files take.
    pub fn storage(account: &AccountId) -> Self {
        Self::new(format!("A#{}#STO", account.ulid()), "STO")
    }

    /// The partition of a record's history, of one kind.
    pub fn history(account: &AccountId, kind: Kind, record: &str) -> String {
        format!("A#{}#{}#{record}", account.ulid(), kind.tag())
    }

    /// An entry of a record's history.
    pub fn entry(account: &AccountId, kind: Kind, record: &str, entry: &str) -> Self {
        Self::new(Self::history(account, kind, record), entry)
    }

    /// The partition of [`DirectoryKey::account_with_files`].
    pub const ACCOUNTS_WITH_FILES: &'static str = "FILES";

    /// That an account has files, beside all others that have.
    pub fn account_with_files(account: &AccountId) -> Self {
        Self::new(Self::ACCOUNTS_WITH_FILES.into(), account.ulid())
    }

    /// How far the comparison of table and bucket has come.
    pub fn sweep() -> Self {
        Self::new("SWEEP".into(), "SWEEP")
    }

    /// One of a user's sessions.
    pub fn session(account: &AccountId, user: &UserId, session: &SessionId) -> Self {
        Self::new(format!("A#{}#SES#{}", account.ulid(), user.ulid()), session.ulid())
    }

    /// What a user may do. Beside the user's sessions, so that one call reads both.
    pub fn access(account: &AccountId, user: &UserId) -> Self {
        Self::new(format!("A#{}#SES#{}", account.ulid(), user.ulid()), "ACCESS")
    }

    /// A user's second factors.
    pub fn factors(account: &AccountId, user: &UserId) -> Self {
        Self::new(format!("A#{}#MFA", account.ulid()), user.ulid())
    }

    /// The marker that a challenge was used. Challenges are random, and never longer than a hash.
    pub fn spent(challenge: &[u8]) -> Self {
        Self::new(format!("USED#{}", URL_SAFE_NO_PAD.encode(challenge)), "USED")
    }

    /// The change that waits for a link of a mail to be opened.
    pub fn pending(link: &Link) -> Self {
        Self::new(format!("LINK#{}", link.place()), "LINK")
    }

    /// A mail to an address that belongs to no account yet.
    pub fn mail(mail: &MailId) -> Self {
        Self::new(format!("MAIL#{}", mail.ulid()), "MAIL")
    }

    /// A mail to one of an account's users.
    pub fn account_mail(account: &AccountId, mail: &MailId) -> Self {
        Self::new(format!("A#{}#OUT", account.ulid()), mail.ulid())
    }

    /// A place in an account that is offered by mail.
    pub fn invitation(account: &AccountId, invitation: &InvitationId) -> Self {
        Self::new(format!("A#{}#INV", account.ulid()), invitation.ulid())
    }

    /// How many mails invited somebody to an account in one period, or only `to`. In the outbox, which nothing
    /// lists, under words and not ids: ids begin with a digit.
    pub fn invitation_mails(account: &AccountId, period: i64, to: Option<&Email>) -> Self {
        let digest = |to: &Email| URL_SAFE_NO_PAD.encode(Sha256::digest(to.as_str()));
        let whom = to.map_or_else(|| "ALL".to_owned(), digest);
        Self::new(format!("A#{}#OUT", account.ulid()), format!("INVITED#{period}#{whom}"))
    }

    /// The roles and teams that an account defines, all in one item.
    pub fn organization(account: &AccountId) -> Self {
        Self::new(format!("A#{}#SES#ORG", account.ulid()), "ORG")
    }

    /// Who is in a team.
    pub fn team(account: &AccountId, team: &TeamId) -> Self {
        Self::new(format!("A#{}#SES#{}", account.ulid(), team.ulid()), "TEAM")
    }

    /// Something that happened to a user's access.
    pub fn event(account: &AccountId, user: &UserId, event: &SecurityEventId) -> Self {
        Self::new(format!("A#{}#EVT#{}", account.ulid(), user.ulid()), event.ulid())
    }

    /// Where an event goes that is nobody's: as long as the key of [`DirectoryKey::event`], and in no account.
    pub fn event_of_nobody(account: &AccountId, user: &UserId, event: &SecurityEventId) -> Self {
        Self::new(format!("TRY#A#{}#{}", account.ulid(), user.ulid()), event.ulid())
    }

    /// An API key.
    pub fn api_key(account: &AccountId, key: &ApiKeyId) -> Self {
        Self::new(format!("A#{}#KEY", account.ulid()), key.ulid())
    }

    /// How often an account's API keys were added to. Beside the keys, under a word and not an id: ids begin
    /// with a digit.
    pub fn api_keys(account: &AccountId) -> Self {
        Self::new(format!("A#{}#KEY", account.ulid()), "KEYS")
    }

    /// When an API key was last used. Apart from the key, which functions under their own roles must not write.
    pub fn api_key_use(account: &AccountId, key: &ApiKeyId) -> Self {
        Self::new(format!("A#{}#USE", account.ulid()), key.ulid())
    }

    pub(crate) fn into_parts(self) -> (String, String) {
        (self.partition, self.sort)
    }

    /// The partition key.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The sort key.
    pub fn sort(&self) -> &str {
        &self.sort
    }
}
