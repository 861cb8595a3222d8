//! What a client is, and its rules.

use nexo_api::{Column, FieldErrors, FilterKind, FilterParameter, Resource, choice, text};
use nexo_domain::{Address, ClientId, Email, Money, MultilineText, Permission, Phone, Text, WebUrl, kind};
use nexo_store::{Record, Reference, Unique};
use serde::{Deserialize, Serialize};

/// A client: a company or a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Client {
    /// What the client is called.
    pub name: Text<249>,
    /// A company or a person.
    #[serde(default, rename = "type")]
    pub client_type: ClientType,
    /// The name in its papers.
    pub legal_name: Option<Text<249>>,
    /// Its number with the tax office: unique in the account and the billing address's country.
    pub tax_id: Option<Text<50>>,
    /// Addresses for mail; at most one is primary.
    #[serde(default)]
    pub emails: Vec<Labelled<Email>>,
    /// Telephone numbers; at most one is primary.
    #[serde(default)]
    pub phones: Vec<Labelled<Phone>>,
    /// Its site.
    pub website: Option<WebUrl>,
    /// What it does.
    pub industry: Option<Text<100>>,
    /// How many people it has.
    pub size_band: Option<SizeBand>,
    /// What it turns over in a year.
    pub annual_revenue: Option<Money>,
    /// Where it came from.
    pub source: Option<Text<100>>,
    /// Where bills go.
    pub billing_address: Option<Address>,
    /// Where goods go.
    pub shipping_address: Option<Address>,
    /// The client it belongs to.
    pub parent_id: Option<ClientId>,
    /// Anything else.
    pub description: Option<MultilineText<10_000>>,
    /// Where it stands.
    #[serde(default)]
    pub status: ClientStatus,
}

/// Whether a client is a company or a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClientType {
    #[default]
    Company,
    Person,
}

/// Where a client stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClientStatus {
    #[default]
    Lead,
    Prospect,
    Active,
    Inactive,
    Archived,
}

/// How many people a client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum SizeBand {
    #[serde(rename = "1-10")]
    UpTo10,
    #[serde(rename = "11-50")]
    UpTo50,
    #[serde(rename = "51-250")]
    UpTo250,
    #[serde(rename = "251-1000")]
    UpTo1000,
    #[serde(rename = "1001+")]
    Over1000,
}

/// One of several addresses or numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "Labelled{T}"))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Labelled<T> {
    /// The address or number.
    pub value: T,
    /// What it is for, such as `work`.
    pub label: Option<Text<50>>,
    /// The one to use first.
    #[serde(default)]
    pub primary: bool,
}

impl Record for Client {
    type Kind = kind::Client;
    const SORT_FIELDS: &'static [&'static str] = &["name"];

    fn sort_name(&self) -> String {
        self.name.to_string()
    }

    fn unique(&self) -> Vec<Unique> {
        let country = self.billing_address.as_ref().and_then(|address| address.fields().country);
        let tax_id = self.tax_id.iter().map(|tax_id| Unique {
            field: "taxId",
            value: format!("{}:{}", country.map_or("", |country| country.as_str()), bare(tax_id.as_str())),
        });
        tax_id.collect()
    }

    fn references(&self) -> Vec<Reference> {
        self.parent_id
            .iter()
            .map(|parent| Reference::parent("parentId", parent, Permission::ClientRead))
            .collect()
    }
}

/// A tax number without what people put between its digits, in one case.
fn bare(tax_id: &str) -> String {
    tax_id.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

impl Resource for Client {
    const PATH: &'static str = "/api/clients";
    const NAME: &'static str = "client";
    const SAMPLE: &'static str = r#"{"name":"Acme GmbH"}"#;
    const READ: Permission = Permission::ClientRead;
    const WRITE: Permission = Permission::ClientWrite;
    const DELETE: Permission = Permission::ClientDelete;
    const JUDGED_TOGETHER: &'static [&'static str] = &["taxId", "billingAddress", "parentId"];
    const FILTERS: &'static [FilterParameter] = &[
        FilterParameter {
            name: "status",
            summary: "Only clients with this status",
            kind: FilterKind::Equals("status"),
            parse: choice::<ClientStatus>,
        },
        FilterParameter {
            name: "industry",
            summary: "Only clients of this industry",
            kind: FilterKind::Equals("industry"),
            parse: text::<Text<100>>,
        },
        FilterParameter::OWNER,
        FilterParameter::TAG,
        FilterParameter::NAME,
    ];
    const MATCHED_BY: &'static [&'static str] = &["taxId"];
    const COLUMNS: &'static [Column] = &[
        Column::text("name"),
        Column::text("type"),
        Column::text("legalName"),
        Column::text("taxId"),
        Column::labelled("emails"),
        Column::labelled("phones"),
        Column::text("website"),
        Column::text("industry"),
        Column::text("sizeBand"),
        Column::number("annualRevenue.amountMinor"),
        Column::text("annualRevenue.currency"),
        Column::text("source"),
        Column::text("billingAddress.line1"),
        Column::text("billingAddress.line2"),
        Column::text("billingAddress.city"),
        Column::text("billingAddress.region"),
        Column::text("billingAddress.postalCode"),
        Column::text("billingAddress.country"),
        Column::text("shippingAddress.line1"),
        Column::text("shippingAddress.line2"),
        Column::text("shippingAddress.city"),
        Column::text("shippingAddress.region"),
        Column::text("shippingAddress.postalCode"),
        Column::text("shippingAddress.country"),
        Column::text("parentId"),
        Column::text("description"),
        Column::text("status"),
    ];

    fn validate(&self, errors: &mut FieldErrors) {
        judge_list("/emails", &self.emails, errors);
        judge_list("/phones", &self.phones, errors);
        if self.tax_id.as_ref().is_some_and(|tax_id| bare(tax_id.as_str()).is_empty()) {
            errors.add("/taxId", "invalid_tax_id", "must have at least one letter or digit");
        }
    }
}

/// The most addresses or numbers a client has of one sort.
const MOST: usize = 20;

fn judge_list<T: PartialEq>(pointer: &str, list: &[Labelled<T>], errors: &mut FieldErrors) {
    if list.len() > MOST {
        errors.add(pointer, "too_many", format!("has at most {MOST} entries"));
        return;
    }
    for (index, entry) in list.iter().enumerate() {
        if list[..index].iter().any(|earlier| earlier.value == entry.value) {
            errors.add(&format!("{pointer}/{index}/value"), "duplicate", "is in the list already");
        }
        if entry.primary && list[..index].iter().any(|earlier| earlier.primary) {
            errors.add(
                &format!("{pointer}/{index}/primary"),
                "more_than_one_primary",
                "can be true for one entry only",
            );
        }
    }
}
