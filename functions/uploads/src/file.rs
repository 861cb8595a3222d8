//! What a file is, and its rules.

use nexo_api::{FieldErrors, FilterKind, FilterParameter, Resource, id_of};
use nexo_domain::{
    ClientId, EmployeeId, FileCategory, FileId, FileName, FileStatus, FileType, Invalid, Permission,
    QuarantineReason, Sha256, Text, kind,
};
use nexo_store::{PURGE_AT, Record, Reference, Stored};
use serde::{Deserialize, Serialize};

/// The largest file, in bytes: 5 GB, which is also the most that S3 takes in one request.
pub(crate) const LARGEST: u64 = 5 * 1024 * 1024 * 1024;

/// What all files of an account take at most, in bytes.
pub(crate) const QUOTA: u64 = 100 * 1024 * 1024 * 1024;

/// The most records a file is linked to.
const MOST_LINKS: usize = 20;

/// A file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// What it is called, without a path.
    pub name: FileName,
    /// Of which type it is.
    pub content_type: FileType,
    /// How many bytes it has.
    pub size: u64,
    /// Their digest.
    pub sha256: Sha256,
    /// What it is to the account.
    pub category: FileCategory,
    /// What it belongs to.
    #[serde(default)]
    pub links: Vec<Link>,
    /// Where it stands.
    #[serde(default)]
    pub status: FileStatus,
    /// What was found to be wrong with it.
    pub quarantine_reason: Option<QuarantineReason>,
    /// The file that it is a further version of. It is in no list then, and ends with that one.
    pub version_of: Option<FileId>,
    /// Whether there is a thumbnail of it, to be had while it is available.
    #[serde(default)]
    pub has_thumbnail: bool,
}

/// A record that a file belongs to, by what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Link {
    /// A client.
    Client {
        /// Its id.
        id: ClientId,
    },
    /// An employee.
    Employee {
        /// The id.
        id: EmployeeId,
    },
}

impl Link {
    fn id(&self) -> String {
        match self {
            Self::Client { id } => id.to_string(),
            Self::Employee { id } => id.to_string(),
        }
    }

    /// It names what its caller may read.
    fn reference(&self) -> Reference {
        match self {
            Self::Client { id } => Reference::to("links", id, Permission::ClientRead),
            Self::Employee { id } => Reference::to("links", id, Permission::EmployeeRead),
        }
    }
}

/// Reports a size that no file has.
pub(crate) fn judge_size(size: u64, errors: &mut FieldErrors) {
    if !(1..=LARGEST).contains(&size) {
        errors.add("/size", "out_of_range", format!("must be 1 to {LARGEST} bytes"));
    }
}

/// Reports a type that files of a category cannot have.
pub(crate) fn judge_type(content_type: FileType, category: FileCategory, errors: &mut FieldErrors) {
    if !category.takes(content_type) {
        let message = format!("cannot be the type of a file of the category {category}");
        errors.add("/contentType", "unsupported_type", message);
    }
}

/// Reports a name that does not end as those of its type do.
pub(crate) fn judge_name(name: &FileName, content_type: FileType, errors: &mut FieldErrors) {
    if !name.suits(content_type) {
        let ends: Vec<_> = content_type.extensions().iter().map(|end| format!(".{end}")).collect();
        let message = format!("must end in {}, as files of its type do", ends.join(" or "));
        errors.add("/name", "wrong_extension", message);
    }
}

/// Reports links that are too many, or the same twice.
pub(crate) fn judge_links(links: &[Link], errors: &mut FieldErrors) {
    if links.len() > MOST_LINKS {
        errors.add("/links", "too_many", format!("has at most {MOST_LINKS} entries"));
    }
    for (index, link) in links.iter().enumerate() {
        if links[..index].contains(link) {
            errors.add(&format!("/links/{index}"), "duplicate", "is in the list already");
        }
    }
}

impl Record for File {
    type Kind = kind::File;
    const SORT_FIELDS: &'static [&'static str] = &["name"];

    fn sort_name(&self) -> String {
        self.name.to_string()
    }

    const PURGE_AT: &'static str = PURGE_AT;
    const HIDDEN_BY: Option<&'static str> = Some("versionOf");

    fn version_of(&self) -> Option<FileId> {
        self.version_of
    }

    fn references(&self) -> Vec<Reference> {
        self.links.iter().map(Link::reference).collect()
    }
}

impl Stored for File {
    fn bytes(&self) -> u64 {
        self.size
    }

    fn linked(&self) -> Vec<String> {
        self.links.iter().map(Link::id).collect()
    }
}

impl Resource for File {
    const PATH: &'static str = "/api/uploads";
    const NAME: &'static str = "file";
    const SAMPLE: &'static str = r#"{"name":"contract.pdf","contentType":"application/pdf","size":9,"sha256":"e5c62df5dab5c87b6a015ef3d43597074d1eec433b15f51aec63b8582d0e4ab4","category":"client_document"}"#;
    const READ: Permission = Permission::FileRead;
    const WRITE: Permission = Permission::FileWrite;
    const DELETE: Permission = Permission::FileDelete;
    const JUDGED_TOGETHER: &'static [&'static str] = &[];
    const FILTERS: &'static [FilterParameter] = &[
        FilterParameter {
            name: "linkedTo",
            summary: "Only files that are linked to this record",
            kind: FilterKind::Contains("linkedIds"),
            parse: |text| id_of::<kind::Client>(text).or_else(|_| id_of::<kind::Employee>(text)),
        },
        FilterParameter {
            name: "category",
            summary: "Only files of this category",
            kind: FilterKind::Equals("category"),
            parse: |text| FileCategory::parse(text).map(|category| category.to_string()),
        },
        FilterParameter {
            name: "status",
            summary: "Only files with this status",
            kind: FilterKind::Equals("status"),
            parse: |text| FileStatus::parse(text).map(|status| status.to_string()),
        },
        FilterParameter::OWNER,
        FilterParameter {
            name: "q",
            summary: "Only files whose name begins so, without regard to case",
            kind: FilterKind::NamePrefix,
            parse: |text| -> Result<String, Invalid> {
                Text::<255>::parse(text).map(|text| text.to_string())
            },
        },
    ];

    fn validate(&self, errors: &mut FieldErrors) {
        judge_name(&self.name, self.content_type, errors);
        judge_links(&self.links, errors);
    }
}
