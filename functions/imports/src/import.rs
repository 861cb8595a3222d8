//! What an import is.

use clients::Client;
use employees::Employee;
use nexo_api::{Column, FieldErrors, FilterKind, FilterParameter, Importable, Resource, choice};
use nexo_domain::{FileId, FileName, Permission, Timestamp, UserId, kind};
use nexo_store::{Record, TenantTable};
use serde::{Deserialize, Serialize};

/// The largest file, in bytes.
pub const MOST_BYTES: u64 = 50 * 1024 * 1024;

/// The most rows of a file, its header aside.
pub const MOST_ROWS: u32 = 100_000;

/// What every import takes, besides what it takes to write the records.
pub const NEEDED: Permission = Permission::ImportRun;

/// An import of records out of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Import {
    /// The file.
    pub file_id: FileId,
    /// What the file is called.
    pub file_name: FileName,
    /// What the records are.
    pub resource: ImportResource,
    /// Where it stands.
    #[serde(default)]
    pub status: ImportStatus,
    /// What it failed at, while its status is `failed`.
    pub failed_while: Option<ImportStatus>,
    /// Why it failed, for programs.
    pub reason: Option<String>,
    /// How the file is written.
    pub format: Option<Format>,
    /// The file's columns, in their order, each with the field that its cells are read into.
    #[serde(default)]
    pub columns: Vec<ImportColumn>,
    /// The field by which a row finds the record that it changes. Without, each row creates a record.
    pub match_by: Option<String>,
    /// What empty cells do to a record that is changed.
    #[serde(default)]
    pub empty_cells: EmptyCells,
    /// Rows of the file, its header aside.
    pub rows: Option<u32>,
    /// Rows that are done, of the phase that the status says.
    #[serde(default)]
    pub rows_done: u32,
    /// Of these: records created.
    #[serde(default)]
    pub created: u32,
    /// Records changed.
    #[serde(default)]
    pub updated: u32,
    /// Records that were so already.
    #[serde(default)]
    pub unchanged: u32,
    /// Rows with errors.
    #[serde(default)]
    pub refused: u32,
    /// Rows that were undone.
    #[serde(default)]
    pub undone: u32,
    /// Rows that were not undone, as their records were changed since, or are needed.
    #[serde(default)]
    pub conflicts: u32,
    /// Who had it begin, or go on, last: whose permissions count.
    pub started_by: UserId,
    /// When writing began.
    pub started_at: Option<Timestamp>,
    /// Where in the file it goes on, in bytes.
    #[serde(default)]
    pub offset: u64,
    /// Which row is the next; of an undoing, the one that was done last before.
    #[serde(default)]
    pub next_row: u32,
    /// How often it was begun: which errors are of now.
    #[serde(default)]
    pub phase: u32,
}

/// What can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImportResource {
    Clients,
    Employees,
}

impl ImportResource {
    /// How it is done.
    pub const fn how(self) -> Importable {
        match self {
            Self::Clients => Importable::of::<Client>(),
            Self::Employees => Importable::of::<Employee>(),
        }
    }
}

/// Where an import stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImportStatus {
    /// The file is being looked at.
    #[default]
    Reading,
    /// Which column is which field is proposed: it can be started.
    Proposed,
    /// All rows are being tried, and nothing is written.
    Checking,
    /// All rows were tried: it can be started.
    Checked,
    /// Rows are being done.
    Running,
    /// All rows are done.
    Done,
    /// What rows did is being undone.
    Undoing,
    /// What rows did was undone.
    Undone,
    /// It has stopped, and can go on.
    Failed,
}

impl ImportStatus {
    /// Whether something is to be done for it.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Reading | Self::Checking | Self::Running | Self::Undoing)
    }
}

/// What empty cells do to a record that is changed. In a record that is created, what is empty is not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EmptyCells {
    /// They leave the field as it is.
    #[default]
    Keep,
    /// They take the field away.
    Clear,
}

/// How a file is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Format {
    /// What is between the cells of CSV: a comma, a semicolon or a tab. Of a sheet: a comma.
    pub delimiter: char,
    /// Whether its text is in windows-1252, and not in UTF-8.
    pub windows_1252: bool,
    /// The sheet of a workbook that is read: the first one that is not hidden.
    pub sheet: Option<String>,
}

/// A column of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportColumn {
    /// Its name in the header; `#3` where that is empty or an earlier column's.
    pub column: String,
    /// The field, named as in the export; null where the column is left out.
    pub field: Option<String>,
}

impl Import {
    /// The columns that are taken, by their places in a row.
    pub fn taken(&self) -> Vec<(usize, Column)> {
        let known = (self.resource.how().columns)();
        let taken = self.columns.iter().enumerate().filter_map(|(place, column)| {
            let field = column.field.as_deref()?;
            Some((place, *known.iter().find(|known| known.name == field)?))
        });
        taken.collect()
    }

    /// The permissions that it takes and `table`'s principal lacks, the first of them.
    pub fn lacks(&self, table: &TenantTable, undoes: bool) -> Option<Permission> {
        let how = self.resource.how();
        let private = how.private.filter(|private| {
            self.taken().iter().any(|(_, column)| private.fields.contains(&column.member()))
        });
        let needed = [Some(NEEDED), Some(how.write), undoes.then_some(how.delete)];
        let needed = needed.into_iter().flatten().chain(private.map(|private| private.permission));
        let principal = table.scope().principal();
        needed.into_iter().find(|permission| principal.reach(*permission).is_none())
    }
}

impl Record for Import {
    type Kind = kind::Import;
    const SORT_FIELDS: &'static [&'static str] = &["fileName"];

    fn sort_name(&self) -> String {
        self.file_name.to_string()
    }
}

impl Resource for Import {
    const PATH: &'static str = "/api/imports";
    const NAME: &'static str = "import";
    const SAMPLE: &'static str = r#"{"fileId":"fil_01ARZ3NDEKTSV4RRFFQ69G5FAV","fileName":"clients.csv","resource":"clients","startedBy":"usr_01ARZ3NDEKTSV4RRFFQ69G5FAV"}"#;
    const READ: Permission = NEEDED;
    const WRITE: Permission = NEEDED;
    const DELETE: Permission = NEEDED;
    const JUDGED_TOGETHER: &'static [&'static str] = &[];
    const FILTERS: &'static [FilterParameter] = &[
        FilterParameter {
            name: "status",
            summary: "Only imports with this status",
            kind: FilterKind::Equals("status"),
            parse: choice::<ImportStatus>,
        },
        FilterParameter {
            name: "resource",
            summary: "Only imports of these records",
            kind: FilterKind::Equals("resource"),
            parse: choice::<ImportResource>,
        },
        FilterParameter::OWNER,
    ];

    fn validate(&self, _: &mut FieldErrors) {}
}
