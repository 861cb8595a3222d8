//! Addresses of web pages.

use url::Url;

use crate::Invalid;
use crate::string_form::{display_as_str, string_form};
use crate::text::{too_long, trimmed};

/// What browsers, proxies and servers pass on without trouble.
const MAX: usize = 2048;

/// An absolute `http` or `https` URL, in the normal form of the [URL standard]: scheme and host in
/// lower case, an international host in punycode, other characters percent-encoded, and a `/` where
/// the path is empty.
///
/// It says nothing about where the host is: code that fetches a URL has to check that itself.
///
/// [URL standard]: https://url.spec.whatwg.org/
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WebUrl(Box<str>);

impl WebUrl {
    /// Trims and normalises `text`.
    ///
    /// Refused: `empty`, `too_long`, `invalid_url` (also one with a user name or password in it).
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = trimmed(text);
        if text.is_empty() {
            return Err(Invalid::new("empty", "must not be empty"));
        }
        if text.chars().nth(MAX).is_some() {
            return Err(too_long(MAX));
        }
        // The standard's parser mends what browsers mend; here it more likely is a mistake.
        let needs_mending = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
        if !has_web_scheme(text) || text.contains(needs_mending) {
            return Err(malformed());
        }
        let url = Url::parse(text).map_err(|_| malformed())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Invalid::new("invalid_url", "must not contain a user name or password"));
        }
        let url = String::from(url);
        if url.len() > MAX {
            return Err(too_long(MAX));
        }
        Ok(Self(url.into()))
    }

    /// The URL.
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

display_as_str!(impl [] for WebUrl);
string_form! {
    impl [] for WebUrl;
    expecting = "a URL";
    name = "WebUrl";
    inline = false;
    schema = {
        "type": "string",
        "format": "uri",
        "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://",
        "maxLength": MAX,
        "examples": ["https://www.example.com/"],
    };
}

/// Whether `text` begins with `http://` or `https://` and then a host.
fn has_web_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
            && !rest.starts_with('/')
    })
}

fn malformed() -> Invalid {
    Invalid::new("invalid_url", "must be a web address such as https://www.example.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_normalised() {
        for (text, expected) in [
            ("https://www.example.com", "https://www.example.com/"),
            (" HTTP://Example.COM:80/A?b=C#d ", "http://example.com/A?b=C#d"),
            ("https://bücher.example/straße", "https://xn--bcher-kva.example/stra%C3%9Fe"),
            ("https://example.com:8443/a/../b", "https://example.com:8443/b"),
            ("http://[::1]/", "http://[::1]/"),
        ] {
            assert_eq!(WebUrl::parse(text).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn anything_but_an_absolute_web_url_is_refused() {
        for text in [
            "example.com",
            "www.example.com/a",
            "//example.com",
            "/a",
            "ftp://example.com",
            "javascript:alert(1)",
            "data:text/html,x",
            "mailto:a@b.co",
            "http:example.com",
            "http:/example.com",
            "http:///example.com",
            "http://",
            "https://?q",
            "http://a b.com",
            "http://a\tb.com",
            "http:\\\\example.com",
            "http://example.com:99999",
            "http://user@example.com",
            "http://user:secret@example.com",
            "http://a<b>.com",
            "http://999.999.999.999/",
        ] {
            let refusal = WebUrl::parse(text).map_err(|invalid| invalid.code());
            assert_eq!(refusal, Err("invalid_url"), "{text}");
        }
    }

    #[test]
    fn length_is_limited_before_and_after_encoding() {
        let of = |path: String| WebUrl::parse(&format!("http://a.co/{path}"));
        assert!(of("a".repeat(MAX - 12)).is_ok());
        for path in ["a".repeat(MAX - 11), "ü".repeat(400)] {
            assert_eq!(of(path).map_err(|invalid| invalid.code()), Err("too_long"));
        }
    }
}
