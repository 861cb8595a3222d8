//! The one layout of all mails, as text and as HTML.

use askama::Template;

use crate::WriteError;

/// A mail's content, whatever it looks like.
pub(crate) struct Page {
    pub(crate) subject: String,
    /// Paragraphs.
    pub(crate) lines: Vec<String>,
    /// What was done: names and values.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// What the reader can open, the expected one first.
    pub(crate) actions: Vec<Action>,
    /// What to do when it was somebody else.
    pub(crate) otherwise: &'static str,
}

/// Something to open.
pub(crate) struct Action {
    pub(crate) label: &'static str,
    pub(crate) url: String,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    page: &'a Page,
}

#[derive(Template)]
#[template(path = "mail.txt", escape = "none")]
struct Plain<'a> {
    page: &'a Page,
}

impl Page {
    pub(crate) fn html(&self) -> Result<String, WriteError> {
        Ok(Html { page: self }.render()?)
    }

    pub(crate) fn text(&self) -> Result<String, WriteError> {
        Ok(Plain { page: self }.render()?)
    }
}
