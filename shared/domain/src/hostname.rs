//! Names of hosts, as e-mail addresses carry them.

/// Whether `name` is a fully qualified ASCII host name without a trailing dot: at least two labels
/// of 1 to 63 letters, digits and inner hyphens, 253 characters in all ([RFC 1123] § 2.1).
/// An internationalised name passes in its punycode form (`xn--…`).
///
/// [RFC 1123]: https://www.rfc-editor.org/rfc/rfc1123
pub(crate) fn is_fully_qualified(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(is_label)
        && name
            .rsplit_once('.')
            // A last label of digits alone would be part of an IPv4 address.
            .is_some_and(|(_, top)| !top.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
