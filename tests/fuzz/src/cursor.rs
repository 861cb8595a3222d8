//! Cursors.

use std::sync::LazyLock;

use nexo_tenant_key::{CursorKey, Position, TenantScope};

use crate::accepts_only;
use crate::world::scope;

/// Longer ones than the sort keys of a table can be (1,024 bytes each) need not open.
const LONGEST: usize = 2048;

/// A cursor opens where it was sealed, to what was sealed, and nowhere else; who does not have the key can
/// make none, nor another out of a genuine one. The input is a route, a filter, a record and the value that
/// is sorted by, with line breaks between them.
pub fn cursor(input: &[u8]) {
    static KEY: LazyLock<CursorKey> = LazyLock::new(|| CursorKey::from_secret(&[7; 32]));
    static OWN: LazyLock<TenantScope> = LazyLock::new(|| scope(1));
    static OTHER: LazyLock<TenantScope> = LazyLock::new(|| scope(2));

    let text = String::from_utf8_lossy(input);
    let mut parts = text.splitn(4, '\n');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    let (route, filter, record) = (next(), next(), next().replace('\u{1f}', ""));
    let position = Position { record, sorted_by: parts.next().map(str::to_owned) };
    if text.len() > LONGEST {
        return;
    }
    let sealed = KEY.seal(&OWN, &route, &filter, &position).expect("random bytes");
    let open = |scope: &TenantScope, route: &str, filter: &str, cursor: &str| {
        KEY.open(scope, route, filter, cursor).ok()
    };
    assert_eq!(open(&OWN, &route, &filter, &sealed), Some(position), "{sealed}");
    let elsewhere = [
        open(&OTHER, &route, &filter, &sealed),
        open(&OWN, &format!("{route}/"), &filter, &sealed),
        open(&OWN, &route, &format!("{filter}&"), &sealed),
    ];
    assert_eq!(elsewhere, [None, None, None], "{sealed}");
    // What is between route and filter cannot be moved.
    if route != filter {
        assert_eq!(open(&OWN, &filter, &route, &sealed), None, "{sealed}");
    }
    accepts_only(&sealed, input, |text| open(&OWN, &route, &filter, text).is_some());
}
