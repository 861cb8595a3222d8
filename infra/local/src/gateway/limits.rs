//! How much is let in: token buckets for routes, a window for each address.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::header::{HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};

use crate::template::{Api, IpRateLimit, Throttle};

/// Addresses remembered at once. Beyond it, new ones are refused until others are forgotten: the
/// memory of the limit must not be for the client to choose.
const MAX_ADDRESSES: usize = 20_000;

/// The throttles of the API's routes.
pub(super) struct Throttles {
    default: Option<DefaultDirectRateLimiter>,
    by_route: BTreeMap<String, DefaultDirectRateLimiter>,
}

impl Throttles {
    pub(super) fn new(api: &Api) -> Self {
        Self {
            default: api.default_throttle.map(bucket),
            by_route: api
                .route_throttles
                .iter()
                .map(|(key, throttle)| (key.clone(), bucket(*throttle)))
                .collect(),
        }
    }

    /// Takes a token for a request to a route: its own limit replaces the shared one.
    pub(super) fn admit(&self, route: &str) -> bool {
        self.by_route.get(route).or(self.default.as_ref()).is_none_or(|bucket| bucket.check().is_ok())
    }
}

fn bucket(throttle: Throttle) -> DefaultDirectRateLimiter {
    RateLimiter::direct(Quota::per_second(throttle.rate).allow_burst(throttle.burst))
}

/// The limit per client address: a sliding window.
///
/// Of the requests in any window exactly the first N are let in; the next one is refused until the
/// oldest of them has left the window. A token bucket with a burst of N would let almost 2N in
/// within one window. Refused requests do not count.
pub(super) struct AddressLimit {
    limit: IpRateLimit,
    window_ms: u64,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The times of each address's requests within the window, oldest first.
    by_address: HashMap<IpAddr, VecDeque<u64>>,
    swept_at_ms: u64,
}

/// Where an address stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) allowed: bool,
    pub(super) limit: IpRateLimit,
    /// Requests left in the window.
    pub(super) remaining: u32,
    /// Seconds until the next one comes back, rounded up.
    pub(super) reset: u64,
}

impl AddressLimit {
    pub(super) fn new(limit: IpRateLimit) -> Self {
        Self {
            limit,
            window_ms: u64::try_from(limit.window.as_millis()).unwrap_or(u64::MAX),
            seen: Mutex::default(),
        }
    }

    /// Counts a request of an address.
    pub(super) fn count(&self, address: IpAddr, now_ms: u64) -> Standing {
        // Times and counts: whole again whatever panicked.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // The clock may be a test's, and go back.
        let is_old = |time: u64| time > now_ms || now_ms - time >= self.window_ms;
        if is_old(seen.swept_at_ms) || seen.by_address.len() >= MAX_ADDRESSES {
            seen.by_address.retain(|_, times| times.back().is_some_and(|time| !is_old(*time)));
            seen.swept_at_ms = now_ms;
        }
        let address = address.to_canonical();
        let is_full = seen.by_address.len() >= MAX_ADDRESSES;
        if is_full && !seen.by_address.contains_key(&address) {
            return self.standing(false, 0, now_ms, now_ms);
        }
        let times = seen.by_address.entry(address).or_default();
        while times.front().is_some_and(|time| is_old(*time)) {
            times.pop_front();
        }
        let most = self.limit.requests.get();
        let used = u32::try_from(times.len()).unwrap_or(u32::MAX);
        let allowed = used < most;
        if allowed {
            times.push_back(now_ms);
        }
        let oldest = times.front().copied().unwrap_or(now_ms);
        let remaining = most.saturating_sub(used + u32::from(allowed));
        self.standing(allowed, remaining, oldest, now_ms)
    }

    fn standing(&self, allowed: bool, remaining: u32, oldest_ms: u64, now_ms: u64) -> Standing {
        let wait_ms = oldest_ms.saturating_add(self.window_ms).saturating_sub(now_ms);
        Standing { allowed, limit: self.limit, remaining, reset: wait_ms.div_ceil(1_000).max(1) }
    }
}

impl Standing {
    /// Adds the headers of `draft-ietf-httpapi-ratelimit-headers`, and `Retry-After` (RFC 9110)
    /// when the request was refused.
    pub(super) fn describe(&self, headers: &mut HeaderMap) {
        const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
        const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
        let policy = format!("\"ip\";q={};w={}", self.limit.requests, self.limit.window.as_secs());
        let limit = format!("\"ip\";r={};t={}", self.remaining, self.reset);
        for (name, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, limit)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
        if !self.allowed {
            headers.insert(RETRY_AFTER, HeaderValue::from(self.reset));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::num::NonZeroU32;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn limit(requests: u32) -> AddressLimit {
        AddressLimit::new(IpRateLimit {
            requests: NonZeroU32::new(requests).unwrap(),
            window: Duration::from_mins(1),
        })
    }

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);

    #[test]
    fn exactly_so_many_are_let_in() {
        let limit = limit(100);
        for n in 0..100 {
            let standing = limit.count(HERE, 1_000_000 + n);
            assert!(standing.allowed);
            assert_eq!(u64::from(standing.remaining), 99 - n);
        }
        let refused = limit.count(HERE, 1_030_000);
        assert_eq!((refused.allowed, refused.remaining, refused.reset), (false, 0, 30));
        assert!(limit.count(THERE, 1_030_000).allowed, "another address");
        assert!(!limit.count(HERE, 1_059_999).allowed);
        assert!(limit.count(HERE, 1_060_000).allowed, "the oldest has left");
        assert!(!limit.count(HERE, 1_060_000).allowed);
    }

    #[test]
    fn an_address_has_one_limit_in_both_notations() {
        let limit = limit(1);
        let mapped = IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped());
        assert!(limit.count(HERE, 0).allowed);
        assert!(!limit.count(mapped, 0).allowed);
    }

    #[test]
    fn addresses_are_forgotten_and_bounded() {
        let limit = limit(5);
        let address = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(n));
        let many = u32::try_from(MAX_ADDRESSES).unwrap();
        for n in 0..many {
            assert!(limit.count(address(n), 1_000).allowed);
        }
        assert!(!limit.count(address(many), 1_000).allowed, "full");
        assert!(limit.count(address(0), 1_000).allowed, "known");
        assert!(limit.count(address(many), 61_000).allowed, "forgotten");
        assert_eq!(limit.seen.lock().unwrap().by_address.len(), 1);
    }

    #[test]
    fn the_headers_have_the_drafts_form() {
        let limit = limit(1);
        let mut headers = HeaderMap::new();
        limit.count(HERE, 0).describe(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"ip\";q=1;w=60");
        assert_eq!(headers["ratelimit"], "\"ip\";r=0;t=60");
        assert!(!headers.contains_key(RETRY_AFTER));
        limit.count(HERE, 500).describe(&mut headers);
        assert_eq!(headers[RETRY_AFTER], "60");
    }

    proptest! {
        #[test]
        fn no_window_lets_more_in(gaps in prop::collection::vec(0_u64..30_000, 1..200)) {
            let limit = limit(5);
            let mut now = 1_000_000;
            let mut admitted = Vec::new();
            for gap in gaps {
                now += gap;
                if limit.count(HERE, now).allowed {
                    admitted.push(now);
                }
            }
            for start in &admitted {
                let within = admitted.iter().filter(|t| **t >= *start && **t < start + 60_000);
                prop_assert!(within.count() <= 5);
            }
        }
    }
}
