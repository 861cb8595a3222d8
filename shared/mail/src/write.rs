//! From a letter to a mail.

use nexo_domain::Timestamp;
use nexo_identity::{Link, LinkKey, Purpose};
use unicode_normalization::char::is_combining_mark;

use crate::page::{Action, Page};
use crate::{Change, Letter, Mail, Message, Occasion};

/// The mail could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the mail could not be written: {0}")]
pub struct WriteError(#[from] askama::Error);

/// Writes mails. Has the key of links, so what reads the outbox without one can open none.
#[derive(Clone)]
pub struct Writer {
    key: LinkKey,
    link_page: String,
}

const NOT_YOU: &str = "If it was you, there is nothing to do. If it was not, choose a new password now, with \
                       \"Forgot password\" where you log in: that ends all sessions. Then remove the passkeys and \
                       API keys that are not yours.";

const NOT_YOUR_FACTOR: &str = "If it was you, there is nothing to do. If it was not, choose a new password now, \
                              with \"Forgot password\" where you log in: that ends all sessions. Then remove the \
                              authenticator app and the passkeys that are not yours. If you cannot log in for lack \
                              of them, ask the owner of your company's account for help.";

impl Writer {
    /// A writer of links to `link_page`, the address of the page that opens them.
    pub fn new(key: LinkKey, link_page: impl Into<String>) -> Self {
        Self { key, link_page: link_page.into() }
    }

    /// The mail of `letter`; `None` when it says that nothing is sent.
    ///
    /// # Errors
    /// When the layout cannot be filled in.
    pub fn write(&self, letter: &Letter) -> Result<Option<Mail>, WriteError> {
        let Some(page) = self.page(&letter.message) else { return Ok(None) };
        let (text, html) = (page.text()?, page.html()?);
        Ok(Some(Mail { to: letter.to.clone(), subject: page.subject, text, html }))
    }

    fn page(&self, message: &Message) -> Option<Page> {
        let page = |subject: &str, line: &str, actions: Vec<Action>, otherwise| Page {
            subject: subject.to_owned(),
            lines: vec![line.to_owned()],
            facts: Vec::new(),
            actions,
            otherwise,
        };
        let open = |purpose, label, link| vec![self.action(purpose, label, link)];
        Some(match message {
            Message::Nothing => return None,
            Message::Registration { link } => page(
                "Confirm your address to finish registering",
                "Someone, most likely you, began to register a company with this address. The link works once, \
                 for 24 hours.",
                open(Purpose::Register, "Confirm and finish", link),
                "If it was not you, ignore this mail: without the link no account is made.",
            ),
            Message::AddressTaken => page(
                "You have an account already",
                "Someone, most likely you, tried to register with this address, or to move an account to it. It \
                 has one already, so nothing was changed. Log in with your password; if you do not know it any more, ask \
                 for a new one with \"Forgot password\".",
                Vec::new(),
                "If it was not you, there is nothing to do.",
            ),
            Message::Invitation { link, company, inviter } => page(
                "You are invited to NEXO",
                &format!(
                    "A user of NEXO with the name {} invites you to work with a company with the name {}. Nobody \
                     has verified these names. The link works once, for seven days.",
                    quoted(inviter.as_str()),
                    quoted(company.as_str()),
                ),
                open(Purpose::Invitation, "Accept the invitation", link),
                "If you do not know them, ignore this mail: without the link nothing is done.",
            ),
            Message::PasswordReset { link } => page(
                "Choose a new password",
                "Someone, most likely you, asked for a new password. The link works once, for 30 minutes.",
                open(Purpose::PasswordReset, "Choose a new password", link),
                "If it was not you, ignore this mail: your password stays as it is.",
            ),
            Message::EmailChange { link } => page(
                "Confirm your new address",
                "A user of NEXO wants to log in with this address from now on. It is changed once this and the \
                 former address have confirmed it. The link works for 24 hours.",
                open(Purpose::NewEmail, "Confirm this address", link),
                "If it was not you, ignore this mail: nothing is changed.",
            ),
            Message::EmailChangeRequested { link, new_email } => page(
                "Confirm the change of your address",
                &format!(
                    "You asked to log in with {new_email} from now on. It is changed once both addresses have \
                     confirmed it. The links work for 24 hours."
                ),
                vec![
                    self.action(Purpose::OldEmail, "Confirm the change", link),
                    self.action(Purpose::KeepEmail, "Stop it and keep this address", link),
                ],
                "If it was not you, stop it and choose a new password: someone is logged in to your account.",
            ),
            Message::NewSignIn(occasion) => Page {
                facts: facts(occasion),
                ..page(
                    "New sign-in to your account",
                    "Your account was logged in to from a network that it was not used from before.",
                    Vec::new(),
                    NOT_YOU,
                )
            },
            Message::SecurityChange { what, occasion } => Page {
                facts: facts(occasion),
                ..match what {
                    Change::Password => page(
                        "Your password was changed",
                        "The password of your account was changed. All other sessions were ended.",
                        Vec::new(),
                        NOT_YOU,
                    ),
                    Change::PasswordByLink => page(
                        "Your password was changed",
                        "A new password was chosen with a link that was sent to this address. All sessions were \
                         ended.",
                        Vec::new(),
                        NOT_YOU,
                    ),
                    Change::Email => page(
                        "Your address was changed",
                        "The address that you log in with was changed, as both addresses had confirmed. All other \
                         sessions were ended.",
                        Vec::new(),
                        "If it was not you, ask the owner of your company's account for help.",
                    ),
                    Change::TotpAdded => page(
                        "An authenticator app was added",
                        "An authenticator app was set up for your account, with new recovery codes. Its codes are \
                         asked for from now on.",
                        Vec::new(),
                        NOT_YOUR_FACTOR,
                    ),
                    Change::TotpRemoved => page(
                        "Your authenticator app was removed",
                        "The authenticator app of your account was removed. Its codes are asked for no more.",
                        Vec::new(),
                        NOT_YOUR_FACTOR,
                    ),
                    Change::PasskeyAdded => page(
                        "A passkey was added",
                        "A passkey was added to your account. Whoever has it can log in.",
                        Vec::new(),
                        NOT_YOUR_FACTOR,
                    ),
                    Change::PasskeyRemoved => page(
                        "A passkey was removed",
                        "A passkey of your account was removed. It logs in no more.",
                        Vec::new(),
                        NOT_YOUR_FACTOR,
                    ),
                    Change::ApiKeyAdded => page(
                        "An API key was made",
                        "An API key was made that acts for you: whoever has its text does, until it ends.",
                        Vec::new(),
                        NOT_YOU,
                    ),
                    Change::RecoveryCodesRenewed => page(
                        "Your recovery codes were replaced",
                        "New recovery codes were made for your account. The old ones are good for nothing any more.",
                        Vec::new(),
                        NOT_YOUR_FACTOR,
                    ),
                }
            },
        })
    }

    fn action(&self, purpose: Purpose, label: &'static str, link: &Link) -> Action {
        // In the fragment: browsers send it to no server, so it is in no log and no Referer.
        let url = format!("{}#{}={}", self.link_page, purpose.word(), self.key.seal(purpose, link));
        Action { label, url }
    }
}

fn facts(occasion: &Occasion) -> Vec<(&'static str, String)> {
    let Occasion { at, ip, agent } = occasion;
    let agent = agent.as_deref().unwrap_or("unknown");
    vec![("When", minute(*at)), ("From", one_line(ip)), ("With", one_line(agent))]
}

/// Such as `2026-11-22 21:30 UTC`.
fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}

/// What a client said of itself, as one line: it must not look like more of the mail.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The most characters of a name that a stranger gave.
const LONGEST_NAME: usize = 60;

/// The most digits of such a name: fewer than a telephone number has.
const MOST_DIGITS: usize = 4;

/// A name that a stranger gave: only what names are made of, and nothing that mail programs make a link of,
/// such as an address, a domain or a telephone number. The rest is left out.
fn quoted(name: &str) -> String {
    let has_number = name.chars().filter(|c| c.is_numeric()).count() > MOST_DIGITS;
    let mut rest = name.chars().peekable();
    let mut shown = String::new();
    while let Some(c) = rest.next() {
        let is_shown = match c {
            // As after an abbreviation, not as in a domain.
            '.' => rest.peek().is_none_or(|next| !next.is_alphanumeric()),
            '&' | '\'' | '’' | '-' | ',' | '(' | ')' => true,
            c if c.is_numeric() => !has_number,
            c => c.is_alphanumeric() || is_combining_mark(c),
        };
        shown.push(if is_shown { c } else { ' ' });
    }
    let words: Vec<&str> = shown.split_whitespace().collect();
    let shown: String = words.join(" ").chars().take(LONGEST_NAME).collect();
    if shown.is_empty() { "\"?\"".to_owned() } else { format!("\"{shown}\"") }
}

#[cfg(test)]
mod tests {
    use nexo_domain::{Email, LinkId, Text};

    use super::*;

    const PAGE: &str = "https://app.example/api/auth/link";

    fn writer() -> Writer {
        Writer::new(LinkKey::from_secret(&[7; 32]).unwrap(), PAGE)
    }

    fn link() -> Link {
        Link::new(&["test"], LinkId::from_parts(1, [2; 10]))
    }

    fn every() -> Vec<Message> {
        let occasion = Occasion {
            at: Timestamp::from_millis(1_795_383_000_000),
            ip: "192.0.2.1".into(),
            agent: Some("<b>agent</b>\r\nBcc: x@y.example".into()),
        };
        let change = |what| Message::SecurityChange { what, occasion: occasion.clone() };
        vec![
            Message::Registration { link: link() },
            Message::AddressTaken,
            Message::Invitation {
                link: link(),
                company: Text::parse("<i>Acme</i> & \"Sons\"").unwrap(),
                inviter: Text::parse("Ada <Lovelace>").unwrap(),
            },
            Message::PasswordReset { link: link() },
            Message::EmailChange { link: link() },
            Message::EmailChangeRequested {
                link: link(),
                new_email: Email::parse("new@acme.example").unwrap(),
            },
            Message::NewSignIn(occasion.clone()),
            change(Change::Password),
            change(Change::PasswordByLink),
            change(Change::Email),
            change(Change::TotpAdded),
            change(Change::TotpRemoved),
            change(Change::PasskeyAdded),
            change(Change::PasskeyRemoved),
            change(Change::RecoveryCodesRenewed),
            change(Change::ApiKeyAdded),
        ]
    }

    fn mail(message: Message) -> Mail {
        let letter = Letter { to: Email::parse("ada@acme.example").unwrap(), message };
        let mail = writer().write(&letter).unwrap();
        mail.unwrap_or_else(|| panic!("no mail of {letter:?}"))
    }

    #[test]
    fn recipient_and_subject_are_one_line_each() {
        for message in every() {
            let mail = mail(message);
            for header in [mail.subject.as_str(), mail.to.as_str()] {
                assert!(!header.is_empty() && !header.chars().any(char::is_control), "{header:?}");
            }
        }
        // What they are made of cannot be anything else.
        for text in ["a\r\nBcc: x@y.example", "a\nb", "a\u{2028}b"] {
            assert!(Text::<249>::parse(text).is_err(), "{text:?}");
            assert!(Email::parse(&format!("{text}@acme.example")).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_users_typed_is_no_html() {
        for message in every() {
            let html = mail(message).html;
            for tag in ["<i>", "<b>", "<Lovelace>", "& \""] {
                assert!(!html.contains(tag), "{tag}: {html}");
            }
        }
    }

    #[test]
    fn an_invitation_shows_names_and_nothing_that_becomes_a_link() {
        for (name, shown) in [
            ("Ada Lovelace", "Ada Lovelace"),
            (
                "Müller & Söhne (Köln), Inh. J.-P. O'Neill Ltd.",
                "Müller & Söhne (Köln), Inh. J.-P. O'Neill Ltd.",
            ),
            ("東京 3M शर्मा", "東京 3M शर्मा"),
            ("Win at evil.example/now", "Win at evil example now"),
            ("https://evil.example?a=b#c", "https evil example a b c"),
            ("www.evil.example.", "www evil example."),
            ("evil。example evil．example", "evil example evil example"),
            ("a@evil.example", "a evil example"),
            ("Call +49 (0)160 1234567", "Call ( )"),
            ("Studio 54", "Studio 54"),
            ("\" said nobody. \u{202e}moc", "said nobody. moc"),
            ("://", "?"),
        ] {
            assert_eq!(quoted(name), format!("\"{shown}\""), "{name}");
            let name = Text::parse(name).unwrap();
            let mail =
                mail(Message::Invitation { link: link(), company: name, inviter: Text::parse("A").unwrap() });
            assert_eq!(mail.subject, "You are invited to NEXO");
            assert!(
                mail.text.contains(&format!("company with the name \"{shown}\". Nobody")),
                "{}",
                mail.text
            );
        }
        assert_eq!(quoted(&"ab ".repeat(50)).len(), LONGEST_NAME + 2);
    }

    #[test]
    fn what_a_client_says_of_itself_is_one_line() {
        let text = mail(every().swap_remove(6)).text;
        assert!(text.contains("With: <b>agent</b>  Bcc: x@y.example\n"), "{text}");
        assert!(text.contains("When: 2026-11-22 21:30 UTC\nFrom: 192.0.2.1\n"), "{text}");
    }

    #[test]
    fn text_and_html_have_the_same_links() {
        let key = LinkKey::from_secret(&[7; 32]).unwrap();
        for (message, purposes) in every().into_iter().zip([
            &[Purpose::Register][..],
            &[],
            &[Purpose::Invitation],
            &[Purpose::PasswordReset],
            &[Purpose::NewEmail],
            &[Purpose::OldEmail, Purpose::KeepEmail],
            &[],
            &[],
            &[],
            &[],
            &[],
            &[],
            &[],
            &[],
            &[],
            &[],
        ]) {
            let mail = mail(message);
            for purpose in purposes {
                let url = format!("{PAGE}#{}={}", purpose.word(), key.seal(*purpose, &link()));
                assert!(mail.text.contains(&format!("\n{url}\n")), "{}", mail.text);
                assert!(mail.html.contains(&format!("href=\"{url}\"")), "{}", mail.html);
            }
            assert_eq!(mail.text.matches(PAGE).count(), purposes.len(), "{}", mail.text);
        }
    }

    #[test]
    fn a_mail_reads_well_as_plain_text() {
        let text = mail(Message::AddressTaken).text;
        assert!(text.starts_with("You have an account already\n\nSomeone, most likely you,"), "{text}");
        assert!(text.ends_with("\n\nIf it was not you, there is nothing to do.\n\n-- \nNEXO"), "{text}");
        assert!(!text.contains("\n\n\n"), "{text:?}");
        for message in every() {
            let text = mail(message).text;
            assert!(!text.contains("\n\n\n"), "{text}");
        }
    }

    #[test]
    fn nothing_is_no_mail() {
        let letter = Letter { to: Email::parse("ada@acme.example").unwrap(), message: Message::Nothing };
        assert_eq!(writer().write(&letter).unwrap(), None);
    }

    #[test]
    fn a_letter_is_stored_without_its_token() {
        for message in every() {
            let letter = Letter { to: Email::parse("ada@acme.example").unwrap(), message };
            let stored = serde_json::to_string(&letter).unwrap();
            assert!(!stored.contains("nexo_lt1_"), "{stored}");
            assert_eq!(serde_json::from_str::<Letter>(&stored).unwrap(), letter);
            assert!(stored.contains(&format!("\"kind\":\"{}\"", letter.message.word())), "{stored}");
        }
    }
}
