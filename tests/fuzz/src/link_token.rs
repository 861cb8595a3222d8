//! The tokens of links in mails.

use std::sync::LazyLock;

use nexo_domain::LinkId;
use nexo_identity::{Link, LinkKey, Purpose};

use crate::accepts_only;

/// A link opens for what it was made for and nothing else; who does not have the key can make none, nor
/// another out of a genuine one; what opens is sealed to the same text again.
pub fn link_token(input: &[u8]) {
    static KEY: LazyLock<LinkKey> =
        LazyLock::new(|| LinkKey::from_secret(&[7; 32]).expect("a secret of 32 bytes"));
    let first = input.first().copied().unwrap_or_default();
    let [purpose, genuine] = [usize::from(first), 0].map(|n| Purpose::ALL[n % Purpose::ALL.len()]);
    let link =
        Link::new(&[&String::from_utf8_lossy(input)], LinkId::from_parts(u64::from(first), [first; 10]));
    let sealed = KEY.seal(purpose, &link);
    for other in Purpose::ALL {
        assert_eq!(KEY.open(other, &sealed), (other == purpose).then(|| link.clone()), "{sealed}");
    }
    let fixed = Link::new(&["ada@acme.example"], LinkId::from_parts(0, [0; 10]));
    accepts_only(&KEY.seal(genuine, &fixed), input, |text| {
        Purpose::ALL.into_iter().any(|purpose| {
            let opened = KEY.open(purpose, text);
            opened.inspect(|link| assert_eq!(KEY.seal(purpose, link), text)).is_some()
        })
    });
}
