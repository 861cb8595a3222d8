//! Typed, prefixed, time-sortable ids: `cli_01J…`, a [ULID] behind the prefix of its kind.
//!
//! [ULID]: https://github.com/ulid/spec

use std::fmt;
use std::marker::PhantomData;

use ulid::{ULID_LEN, Ulid};

use crate::Invalid;
use crate::string_form::string_form;

/// A ULID's time has 48 bits.
const MAX_MILLIS: u64 = (1 << 48) - 1;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A tenant.
    Account,
    /// A person who signs in.
    User,
    /// A sign-in of a user on a device.
    Session,
    /// A passkey of a user.
    Passkey,
    /// A set of permissions that an account defines.
    Role,
    /// Users who work on each other's records.
    Team,
    /// What programs call with, in place of a user.
    ApiKey,
    /// A place in an account, offered by mail.
    Invitation,
    /// Something that happened to a user's access.
    SecurityEvent,
    /// A customer of the account.
    Client,
    /// Somebody who works for the account.
    Employee,
    /// A part of the account's organization, where employees work.
    Department,
    /// What employees are employed as.
    Position,
    /// A time in which nothing of somebody's employment changed.
    EmploymentRecord,
    /// A file that was, or is to be, uploaded.
    File,
    /// Records that are made, or changed, out of a file.
    Import,
    /// What one row of an import did.
    ImportRow,
    /// What was wrong with some rows of an import.
    ImportErrors,
    /// A link in a mail.
    Link,
    /// A mail to be sent.
    Mail,
}

impl Kind {
    /// What its ids begin with, before the underscore.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Account => "acc",
            Self::User => "usr",
            Self::Session => "ses",
            Self::Passkey => "psk",
            Self::Role => "rol",
            Self::Team => "tea",
            Self::ApiKey => "key",
            Self::Invitation => "inv",
            Self::SecurityEvent => "evt",
            Self::Client => "cli",
            Self::Employee => "emp",
            Self::Department => "dep",
            Self::Position => "pos",
            Self::EmploymentRecord => "rec",
            Self::File => "fil",
            Self::Import => "imp",
            Self::ImportRow => "imr",
            Self::ImportErrors => "ime",
            Self::Link => "lnk",
            Self::Mail => "mai",
        }
    }

    /// The part of a partition key that names the kind.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Account => "ACC",
            Self::User => "USR",
            Self::Session => "SES",
            Self::Passkey => "PSK",
            Self::Role => "ROL",
            Self::Team => "TEA",
            Self::ApiKey => "KEY",
            Self::Invitation => "INV",
            Self::SecurityEvent => "EVT",
            Self::Client => "CLI",
            Self::Employee => "EMP",
            Self::Department => "DEP",
            Self::Position => "POS",
            Self::EmploymentRecord => "REC",
            Self::File => "FIL",
            Self::Import => "IMP",
            Self::ImportRow => "IMR",
            Self::ImportErrors => "IME",
            Self::Link => "LINK",
            Self::Mail => "OUT",
        }
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A marker for the kind of record an [`Id`] names. Only this crate has any.
pub trait IdKind:
    sealed::Sealed + fmt::Debug + Copy + Eq + Ord + std::hash::Hash + Send + Sync + 'static
{
    /// The kind of record.
    const KIND: Kind;
    /// The name of the id's type, as documentation shows it.
    const NAME: &'static str;
}

macro_rules! id_kinds {
    ($($(#[$attribute:meta])* $id:ident = $marker:ident;)+) => {
        $(
            #[doc = concat!("Marks the ids of [`Kind::", stringify!($marker), "`].")]
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub enum $marker {}

            impl sealed::Sealed for $marker {}

            impl IdKind for $marker {
                const KIND: Kind = Kind::$marker;
                const NAME: &'static str = stringify!($id);
            }

            $(#[$attribute])*
            pub type $id = Id<$marker>;
        )+
    };
}

id_kinds! {
    /// `acc_…`
    AccountId = Account;
    /// `usr_…`
    UserId = User;
    /// `ses_…`
    SessionId = Session;
    /// `psk_…`
    PasskeyId = Passkey;
    /// `rol_…`
    RoleId = Role;
    /// `tea_…`
    TeamId = Team;
    /// `key_…`
    ApiKeyId = ApiKey;
    /// `inv_…`
    InvitationId = Invitation;
    /// `evt_…`
    SecurityEventId = SecurityEvent;
    /// `cli_…`
    ClientId = Client;
    /// `emp_…`
    EmployeeId = Employee;
    /// `dep_…`
    DepartmentId = Department;
    /// `pos_…`
    PositionId = Position;
    /// `rec_…`
    EmploymentRecordId = EmploymentRecord;
    /// `fil_…`
    FileId = File;
    /// `imp_…`
    ImportId = Import;
    /// `imr_…`
    ImportRowId = ImportRow;
    /// `ime_…`
    ImportErrorsId = ImportErrors;
    /// `lnk_…`
    LinkId = Link;
    /// `mai_…`
    MailId = Mail;
}

/// The id of a record of kind `K`. Ids order by the time they were made, to the millisecond.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id<K: IdKind> {
    /// Canonical: upper-case Crockford base 32.
    ulid: [u8; ULID_LEN],
    kind: PhantomData<K>,
}

impl<K: IdKind> Id<K> {
    /// An id made at `millis` (Unix time) with `random` bits that the caller has drawn from a
    /// secure source.
    ///
    /// A time past the year 10889, the last a ULID can hold, becomes that last one.
    pub fn from_parts(millis: u64, random: [u8; 10]) -> Self {
        let mut wide = [0; 16];
        wide[6..].copy_from_slice(&random);
        let random = u128::from_be_bytes(wide);
        Self::canonical(Ulid::from_parts(millis.min(MAX_MILLIS), random))
    }

    /// Reads the text form, `cli_01J…`, exactly as [`fmt::Display`] writes it.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        text.strip_prefix(K::KIND.prefix())
            .and_then(|rest| rest.strip_prefix('_'))
            .and_then(Self::decode)
            .ok_or_else(|| {
                Invalid::new(
                    "invalid_id",
                    format!("must be an id such as {}_01ARZ3NDEKTSV4RRFFQ69G5FAV", K::KIND.prefix()),
                )
            })
    }

    /// Reads the bare ULID, as keys of the table hold it.
    pub fn from_ulid(text: &str) -> Result<Self, Invalid> {
        Self::decode(text)
            .ok_or_else(|| Invalid::new("invalid_id", "must be a ULID of 26 upper-case characters"))
    }

    /// The bare ULID: 26 characters, upper-case, without the prefix.
    pub fn ulid(&self) -> &str {
        // Always ASCII, so the default is never seen; `unsafe` would save nothing that shows.
        str::from_utf8(&self.ulid).unwrap_or_default()
    }

    /// The ULID as 16 bytes, the shortest form.
    pub fn to_bytes(&self) -> [u8; 16] {
        Ulid::from_string(self.ulid()).map_or([0; 16], |ulid| u128::from(ulid).to_be_bytes())
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::canonical(Ulid::from(u128::from_be_bytes(bytes)))
    }

    /// When the id was made, in milliseconds of Unix time.
    pub fn timestamp_ms(&self) -> u64 {
        Ulid::from_string(self.ulid()).map_or(0, |ulid| ulid.timestamp_ms())
    }

    fn decode(text: &str) -> Option<Self> {
        let id = Self::canonical(Ulid::from_string(text).ok()?);
        // Decoding folds lower case and drops the bits that overflow: only the canonical text
        // comes back the same.
        (id.ulid == text.as_bytes()).then_some(id)
    }

    fn canonical(ulid: Ulid) -> Self {
        let mut text = [0; ULID_LEN];
        ulid.array_to_str(&mut text);
        Self { ulid: text, kind: PhantomData }
    }
}

impl<K: IdKind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", K::KIND.prefix(), self.ulid())
    }
}

impl<K: IdKind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

string_form! {
    impl [K: IdKind] for Id<K>;
    expecting = "an id";
    name = K::NAME;
    inline = false;
    schema = {
        "type": "string",
        "pattern": format!("^{}_[0-7][0-9A-HJKMNP-TV-Z]{{25}}$", K::KIND.prefix()),
        "examples": [format!("{}_01ARZ3NDEKTSV4RRFFQ69G5FAV", K::KIND.prefix())],
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "cli_01ARZ3NDEKTSV4RRFFQ69G5FAV";

    #[test]
    fn an_id_reads_back_as_written() {
        let id = ClientId::parse(CLIENT).unwrap();
        assert_eq!(id.to_string(), CLIENT);
        assert_eq!(id.ulid(), &CLIENT[4..]);
        assert_eq!(id.timestamp_ms(), 1_469_922_850_259);
        assert_eq!(ClientId::from_ulid(id.ulid()), Ok(id));
        assert_eq!(ClientId::from_bytes(id.to_bytes()), id);
        assert_eq!(serde_json::to_value(id).unwrap(), CLIENT);
        assert_eq!(serde_json::from_str::<ClientId>(&format!("\"{CLIENT}\"")).unwrap(), id);
    }

    #[test]
    fn the_parts_are_kept() {
        let id = UserId::from_parts(1_469_922_850_259, [0xff; 10]);
        assert_eq!(id.to_string(), "usr_01ARZ3NDEKZZZZZZZZZZZZZZZZ");
        assert_eq!(id.timestamp_ms(), 1_469_922_850_259);
        let last = UserId::from_parts(u64::MAX, [0; 10]);
        assert_eq!(last.timestamp_ms(), MAX_MILLIS);
    }

    #[test]
    fn anything_but_the_canonical_text_is_refused() {
        for text in [
            "",
            "cli_",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "CLI_01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "cli-01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "cli_01arz3ndektsv4rrffq69g5fav",
            "cli_01ARZ3NDEKTSV4RRFFQ69G5FA",
            "cli_01ARZ3NDEKTSV4RRFFQ69G5FAVV",
            "cli_01ARZ3NDEKTSV4RRFFQ69G5FAU",
            "cli_01ARZ3NDEKTSV4RRFFQ69G5FA\u{e9}",
            "cli_80000000000000000000000000",
            " cli_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        ] {
            assert!(ClientId::parse(text).is_err(), "{text}");
        }
        assert!(ClientId::parse("cli_7ZZZZZZZZZZZZZZZZZZZZZZZZZ").is_ok());
        assert!(ClientId::from_ulid(CLIENT).is_err());
    }

    #[test]
    fn prefixes_and_tags_are_those_of_the_table() {
        let all = [Kind::Account, Kind::User, Kind::Session, Kind::Client];
        assert_eq!(all.map(Kind::prefix), ["acc", "usr", "ses", "cli"]);
        assert_eq!(all.map(Kind::tag), ["ACC", "USR", "SES", "CLI"]);
        let all = [Kind::Employee, Kind::Department, Kind::Position, Kind::EmploymentRecord];
        assert_eq!(all.map(Kind::prefix), ["emp", "dep", "pos", "rec"]);
        assert_eq!(all.map(Kind::tag), ["EMP", "DEP", "POS", "REC"]);
        assert_eq!((Kind::File.prefix(), Kind::File.tag()), ("fil", "FIL"));
        let all = [Kind::Import, Kind::ImportRow, Kind::ImportErrors];
        assert_eq!(all.map(Kind::prefix), ["imp", "imr", "ime"]);
        assert_eq!(all.map(Kind::tag), ["IMP", "IMR", "IME"]);
    }
}
