//! Files: what may be uploaded as what, and how its first bytes show it.

use std::fmt::{self, Write as _};

use crate::Invalid;
use crate::string_form::{display_as_str, string_form, word_enum};
use crate::text::Text;

word_enum! {
    /// What a file is to its account. It decides which types it may have ([`FileCategory::takes`]).
    pub enum FileCategory ("unknown_category", "one of client_document, resume, project_file, invoice, other") {
        /// A document of, or for, a client.
        ClientDocument = "client_document",
        /// What somebody applies with.
        Resume = "resume",
        /// What belongs to a project.
        ProjectFile = "project_file",
        /// A bill, as a picture or for programs.
        Invoice = "invoice",
        /// Anything else.
        Other = "other",
    }
}

word_enum! {
    /// Where a file stands.
    #[derive(Default)]
    pub enum FileStatus ("unknown_status", "one of pending, scanning, available, quarantined, expired") {
        /// Its bytes have not arrived, or were not looked at yet.
        #[default]
        Pending = "pending",
        /// Its bytes are what was announced, and are being looked at for malware.
        Scanning = "scanning",
        /// Its bytes are what was announced: it can be downloaded.
        Available = "available",
        /// Its bytes are something else, or gone. Nobody gets them.
        Quarantined = "quarantined",
        /// Its bytes have not come in time. It counts nothing, and takes none any more.
        Expired = "expired",
    }
}

word_enum! {
    /// What was found to be wrong with a file's bytes.
    pub enum QuarantineReason ("unknown_reason", "one of size_differs, checksum_differs, type_differs, content_differs, malware, not_scanned, missing") {
        /// There are more or fewer than announced.
        SizeDiffers = "size_differs",
        /// Their SHA-256 is not the one announced.
        ChecksumDiffers = "checksum_differs",
        /// They were stored as another type than announced.
        TypeDiffers = "type_differs",
        /// The first of them are not those of the announced type.
        ContentDiffers = "content_differs",
        /// They are, or hold, what harms.
        Malware = "malware",
        /// Whether they do could not be found out: they are too many or encrypted, or the scan failed.
        NotScanned = "not_scanned",
        /// They were there, and are not any more.
        Missing = "missing",
    }
}

word_enum! {
    /// The media types that files may have. None is run or rendered with scripts by a browser: there is no
    /// HTML and no SVG.
    pub enum FileType ("unsupported_type", "a media type that files may have, such as application/pdf") {
        /// PDF (RFC 8118).
        Pdf = "application/pdf",
        /// PNG.
        Png = "image/png",
        /// JPEG.
        Jpeg = "image/jpeg",
        /// WebP (RFC 9649).
        Webp = "image/webp",
        /// Text in UTF-8.
        Plain = "text/plain",
        /// Comma-separated values (RFC 4180) in UTF-8.
        Csv = "text/csv",
        /// XML (RFC 7303), such as an invoice in UBL.
        Xml = "application/xml",
        /// ZIP.
        Zip = "application/zip",
        /// A text document (Office Open XML).
        Docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        /// A spreadsheet (Office Open XML).
        Xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        /// A presentation (Office Open XML).
        Pptx = "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        /// A text document (ODF).
        Odt = "application/vnd.oasis.opendocument.text",
    }
}

impl FileCategory {
    /// Whether a file of this category may have `file_type`.
    pub const fn takes(self, file_type: FileType) -> bool {
        use FileType::{Csv, Docx, Jpeg, Odt, Pdf, Plain, Png, Pptx, Webp, Xlsx, Xml, Zip};
        match (self, file_type) {
            (_, Pdf)
            | (
                Self::ClientDocument | Self::ProjectFile | Self::Other,
                Png | Jpeg | Webp | Plain | Csv | Docx | Xlsx | Pptx | Odt,
            )
            | (Self::ProjectFile | Self::Other, Zip)
            | (Self::Resume, Plain | Docx | Odt)
            | (Self::Invoice, Png | Jpeg | Xml) => true,
            (Self::Resume, Png | Jpeg | Webp | Csv | Xml | Zip | Xlsx | Pptx)
            | (Self::Invoice, Webp | Plain | Csv | Zip | Docx | Xlsx | Pptx | Odt)
            | (Self::ClientDocument, Xml | Zip)
            | (Self::ProjectFile | Self::Other, Xml) => false,
        }
    }
}

impl FileType {
    /// How many of a file's first bytes [`FileType::begins`] wants to see.
    pub const LOOKED_AT: u64 = 4096;

    /// Whether a file of this type can begin with `bytes`: its first [`FileType::LOOKED_AT`], or all it has.
    ///
    /// Types that are packed as ZIP are told apart by nothing else, since any entry may come first. Text is
    /// UTF-8 without control characters but white space, and does not begin as a page of HTML does: what
    /// browsers would take for one (<https://mimesniff.spec.whatwg.org/>) must not pass for text. XML is no
    /// page or picture either, as far as its first bytes show; what they do not show, [`FileType::served_as`]
    /// answers for.
    pub fn begins(self, bytes: &[u8]) -> bool {
        match self {
            Self::Pdf => bytes.starts_with(b"%PDF-"),
            Self::Png => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
            Self::Jpeg => bytes.starts_with(&[0xff, 0xd8, 0xff]),
            Self::Webp => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
            Self::Zip | Self::Docx | Self::Xlsx | Self::Pptx | Self::Odt => {
                bytes.starts_with(b"PK\x03\x04") || self == Self::Zip && bytes.starts_with(b"PK\x05\x06")
            }
            Self::Xml => text_of(bytes).is_some_and(|text| text.starts_with("<?xml") && !is_page(text)),
            Self::Plain | Self::Csv => text_of(bytes).is_some_and(|text| !is_markup(text)),
        }
    }

    /// Whether it is a picture, of which there can be a thumbnail.
    pub const fn is_picture(self) -> bool {
        match self {
            Self::Png | Self::Jpeg | Self::Webp => true,
            Self::Pdf
            | Self::Plain
            | Self::Csv
            | Self::Xml
            | Self::Zip
            | Self::Docx
            | Self::Xlsx
            | Self::Pptx
            | Self::Odt => false,
        }
    }

    /// The media type it is downloaded as. A browser that shows XML runs the scripts of any element in it that is
    /// of XHTML or SVG, so XML goes out as bytes to be saved, whatever asks for it.
    pub const fn served_as(self) -> &'static str {
        match self {
            Self::Xml => "application/octet-stream",
            other => other.as_str(),
        }
    }

    /// What the names of such files end in: systems go by that, and not by a media type, when they open a file.
    pub const fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Pdf => &["pdf"],
            Self::Png => &["png"],
            Self::Jpeg => &["jpg", "jpeg"],
            Self::Webp => &["webp"],
            Self::Plain => &["txt", "text", "md", "log"],
            Self::Csv => &["csv"],
            Self::Xml => &["xml"],
            Self::Zip => &["zip"],
            Self::Docx => &["docx"],
            Self::Xlsx => &["xlsx"],
            Self::Pptx => &["pptx"],
            Self::Odt => &["odt"],
        }
    }
}

/// The text that bytes hold, without a byte order mark. A character that is cut off at the end is none.
fn text_of(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let is_text = !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}'));
    is_text.then(|| text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Whether a browser that guesses would take a text for a page.
fn is_markup(text: &str) -> bool {
    let mut rest = text.trim_start().chars();
    rest.next() == Some('<') && rest.next().is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '!' | '?'))
}

/// Whether XML is a page or a picture for browsers, asks for one to be made of it, or defines entities, which
/// make a few bytes into many.
fn is_page(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let signs = [
        "<html",
        "<svg",
        ":html",
        ":svg",
        "<!doctype",
        "<?xml-stylesheet",
        "http://www.w3.org/1999/xhtml",
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xsl/transform",
    ];
    signs.iter().any(|sign| text.contains(sign))
}

/// What a file is called: one line of 1 to 255 characters that is no path.
///
/// Objects are never named so: it is shown, and offered when the file is saved.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(Text<255>);

impl FileName {
    /// Trims and normalises `text`.
    ///
    /// Refused, besides what [`Text`] refuses: `invalid_file_name` (a name with `/` or `\`, the names `.` and
    /// `..`, and characters that turn the direction of writing, by which `gpj.exe` looks like `exe.jpg`: those
    /// with Unicode's property `Bidi_Control`, and the deprecated U+206A to U+206F).
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = Text::parse(text)?;
        let is_wrong = |c: char| matches!(c, '/' | '\\' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}');
        if matches!(text.as_str(), "." | "..") || text.as_str().chars().any(is_wrong) {
            return Err(Invalid::new(
                "invalid_file_name",
                "must be a name without a path and without characters that turn the direction of writing",
            ));
        }
        Ok(Self(text))
    }

    /// The name.
    pub const fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it ends as the names of files of this type do, without regard to case.
    pub fn suits(&self, file_type: FileType) -> bool {
        self.as_str().rsplit_once('.').is_some_and(|(stem, end)| {
            !stem.is_empty() && file_type.extensions().iter().any(|known| end.eq_ignore_ascii_case(known))
        })
    }

    /// The `Content-Disposition` that offers to save a file under this name (RFC 6266): the name in ASCII for
    /// old readers, and as it is for the others (RFC 8187).
    pub fn attachment(&self) -> String {
        let plain =
            |c: char| if c.is_ascii_graphic() && !matches!(c, '"' | '%') || c == ' ' { c } else { '_' };
        let mut value: String = "attachment; filename=\"".to_owned();
        value.extend(self.as_str().chars().map(plain));
        value.push_str("\"; filename*=UTF-8''");
        for byte in self.as_str().bytes() {
            // RFC 8187, `attr-char`.
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                value.push(char::from(byte));
            } else {
                // Writing to a string does not fail.
                let _ = write!(value, "%{byte:02X}");
            }
        }
        value
    }
}

display_as_str!(impl [] for FileName);
string_form! {
    impl [] for FileName;
    expecting = "a file's name";
    name = "FileName";
    inline = false;
    schema = { "type": "string", "minLength": 1, "maxLength": 255, "examples": ["contract.pdf"] };
}

/// A SHA-256 digest: 64 hexadecimal digits, in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Reads 64 hexadecimal digits, in either case.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let read = || {
            let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
            let mut bytes = [0; 32];
            for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                *byte = digit(pair[0])? << 4 | digit(pair[1])?;
            }
            Some(Self(bytes))
        };
        read().ok_or_else(|| Invalid::new("invalid_sha256", "must be 64 hexadecimal digits"))
    }

    /// The digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

string_form! {
    impl [] for Sha256;
    expecting = "a SHA-256 digest";
    name = "Sha256";
    inline = false;
    schema = {
        "type": "string",
        "pattern": "^[0-9A-Fa-f]{64}$",
        "examples": ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_are_those_of_the_type() {
        use FileType::{Csv, Docx, Jpeg, Pdf, Plain, Png, Webp, Xml, Zip};
        for (file_type, bytes, is_so) in [
            (Pdf, b"%PDF-1.7\n".as_slice(), true),
            (Pdf, b"\n%PDF-1.7", false),
            (Png, b"\x89PNG\r\n\x1a\n\0", true),
            (Png, b"%PDF-1.7", false),
            (Jpeg, b"\xff\xd8\xff\xe0", true),
            (Webp, b"RIFF\x10\0\0\0WEBPVP8 ", true),
            (Webp, b"RIFF\x10\0\0\0WAVE", false),
            (Zip, b"PK\x05\x06", true),
            (Docx, b"PK\x03\x04\x14", true),
            (Docx, b"PK\x05\x06", false),
            (Xml, b"\xef\xbb\xbf<?xml version=\"1.0\"?>", true),
            (Xml, b"<html>", false),
            (Xml, b"<?xml version=\"1.0\"?><Invoice xmlns=\"urn:oasis:x\"/>", true),
            (Xml, b"<?xml version=\"1.0\"?><svg/>", false),
            (Xml, b"<?xml version=\"1.0\"?><a:html xmlns:a=\"b\"/>", false),
            (Xml, b"<?xml version=\"1.0\"?><a xmlns:h=\"http://www.w3.org/1999/XHTML\"/>", false),
            (Xml, b"<?xml version=\"1.0\"?><?xml-stylesheet href=\"x\"?><a/>", false),
            (Xml, b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"c\">]><a/>", false),
            (Plain, "Grüße\r\n\tan alle".as_bytes(), true),
            (Plain, b"a < b <3", true),
            (Plain, b"cut in a character \xc3", true),
            (Plain, b"latin \xfc 1", false),
            (Plain, b"MZ\0\0", false),
            (Csv, b" <script>alert(1)</script>", false),
            (Csv, b"<!DOCTYPE html>", false),
            (Csv, b"name;sum\nAda;3\n", true),
        ] {
            assert_eq!(file_type.begins(bytes), is_so, "{file_type} {bytes:?}");
        }
    }

    #[test]
    fn every_type_suits_a_category_and_every_category_takes_pdf() {
        for file_type in FileType::ALL {
            assert!(FileCategory::ALL.iter().any(|category| category.takes(*file_type)), "{file_type}");
        }
        assert!(FileCategory::ALL.iter().all(|category| category.takes(FileType::Pdf)));
        assert!(!FileCategory::Resume.takes(FileType::Zip));
    }

    #[test]
    fn a_name_ends_as_its_type_says() {
        for (name, file_type, is_so) in [
            ("a.pdf", FileType::Pdf, true),
            ("a.b.PDF", FileType::Pdf, true),
            ("a.jpeg", FileType::Jpeg, true),
            ("a.pdf.exe", FileType::Pdf, false),
            ("a.exe", FileType::Pdf, false),
            ("a.pdf.", FileType::Pdf, false),
            ("pdf", FileType::Pdf, false),
            (".pdf", FileType::Pdf, false),
            ("...", FileType::Pdf, false),
            ("a.html", FileType::Plain, false),
        ] {
            assert_eq!(FileName::parse(name).unwrap().suits(file_type), is_so, "{name}");
        }
        for file_type in FileType::ALL {
            assert!(!file_type.extensions().is_empty(), "{file_type}");
        }
    }

    #[test]
    fn no_page_goes_out_as_one() {
        for file_type in FileType::ALL {
            let is_page =
                file_type.served_as().contains("xml") && !file_type.served_as().contains("officedocument");
            assert!(!is_page && !file_type.served_as().contains("html"), "{file_type}");
        }
        assert_eq!(FileType::Pdf.served_as(), "application/pdf");
    }

    #[test]
    fn a_path_is_no_name() {
        for name in [
            "../secret",
            "/etc/passwd",
            r"C:\x.exe",
            "..",
            ".",
            "a/b",
            "exe\u{202e}fdp.pdf",
            "a\u{61c}.pdf",
            "a\u{2066}b",
        ] {
            let refused = FileName::parse(name).map_err(|invalid| invalid.code());
            assert_eq!(refused, Err("invalid_file_name"), "{name}");
        }
        assert_eq!(FileName::parse(&"x".repeat(256)).map_err(|invalid| invalid.code()), Err("too_long"));
        assert_eq!(FileName::parse("a\r\nb").map_err(|invalid| invalid.code()), Err("invalid_character"));
        for name in ["...", "Vertrag (1).pdf", "契約書.pdf", &"ü".repeat(255)] {
            assert_eq!(FileName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_name_is_offered_in_two_spellings() {
        let offered = |name: &str| FileName::parse(name).unwrap().attachment();
        assert_eq!(offered("a b.pdf"), "attachment; filename=\"a b.pdf\"; filename*=UTF-8''a%20b.pdf");
        assert_eq!(
            offered("\u{20ac} \"5%\".pdf"),
            "attachment; filename=\"_ _5__.pdf\"; filename*=UTF-8''%E2%82%AC%20%225%25%22.pdf"
        );
    }

    #[test]
    fn a_digest_reads_back() {
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sha256::parse(text).unwrap().to_string(), text);
        assert_eq!(Sha256::parse(&text.to_uppercase()).unwrap().to_string(), text);
        for wrong in ["", &text[1..], &text.replace('e', "g"), &format!("{text}00"), "é".repeat(32).as_str()]
        {
            assert!(Sha256::parse(wrong).is_err(), "{wrong}");
        }
    }
}
