use std::sync::Arc;

use futures_util::FutureExt as _;
use nexo_domain::{AccountId, Role, SessionId, Text, Timestamp, UserId};
use nexo_identity::{
    BoxFuture, Clock, Credentials, Demand, Directory, DirectoryError, ProofState, PublicKey,
    SessionPrincipal, SessionState, Signer, Verifier,
};
use nexo_tenant_key::Position;
use proptest::prelude::*;

use super::*;

const ROUTE: &str = "/api/clients";

const FILTERS: &[FilterParameter] = &[
    FilterParameter {
        name: "status",
        summary: "",
        kind: FilterKind::Equals("status"),
        parse: |text| match text {
            "lead" | "active" => Ok(text.to_owned()),
            _ => Err(Invalid::new("invalid_choice", "must be one of lead, active")),
        },
    },
    FilterParameter {
        name: "tag",
        summary: "",
        kind: FilterKind::Contains("tags"),
        parse: |text| Text::<50>::parse(text).map(|tag| tag.to_string()),
    },
    FilterParameter {
        name: "q",
        summary: "",
        kind: FilterKind::NamePrefix,
        parse: |text| Text::<50>::parse(text).map(|prefix| prefix.to_string()),
    },
];

const PROOF: ProofState = ProofState { at: 0, is_for_setup: false };

/// Published keys, and every session alive.
struct InMemoryDirectory(Vec<PublicKey>);

impl Directory for InMemoryDirectory {
    fn public_keys(&self) -> BoxFuture<'_, Result<Vec<PublicKey>, DirectoryError>> {
        Box::pin(async { Ok(self.0.clone()) })
    }

    fn session<'a>(
        &'a self,
        _: &'a AccountId,
        _: &'a UserId,
        _: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<SessionState>, DirectoryError>> {
        Box::pin(async {
            Ok(Some(SessionState { expires_at: i64::MAX, proof: PROOF, standing: Role::Owner.into() }))
        })
    }
}

fn scope(number: u64) -> TenantScope {
    let clock = Clock::system();
    let signer = Signer::from_secret(&[7; 32], "https://nexo.test", clock.clone()).unwrap();
    let account = AccountId::from_parts(number, [1; 10]);
    let principal = SessionPrincipal {
        account,
        user: UserId::from_parts(number, [2; 10]),
        session: SessionId::from_parts(number, [3; 10]),
        standing: Arc::new(Role::Owner.into()),
    };
    let token = signer.sign(&principal, PROOF).unwrap();
    let directory = Arc::new(InMemoryDirectory(signer.public_keys().to_vec()));
    let reader = Verifier::new("https://nexo.test", clock);
    let proof = reader.verify(&token, Demand::default(), directory.as_ref()).now_or_never().unwrap().unwrap();
    let credentials = Credentials {
        account,
        access_key_id: String::new(),
        secret_access_key: String::new(),
        session_token: String::new(),
        expires_at: Timestamp::MAX,
    };
    TenantScope::new(proof, credentials).unwrap()
}

fn cursors() -> CursorKey {
    CursorKey::from_secret(b"the stack's cursor secret")
}

fn read_for(number: u64, query: &str) -> Result<ListRequest, Problem> {
    ListRequest::read(query, FILTERS, ROUTE, &scope(number), &cursors())
}

fn query(text: &str) -> ListQuery {
    read_for(1, text).ok().unwrap_or_else(|| panic!("{text} is refused")).query
}

/// Code and detail of the refusal.
async fn refused(text: &str) -> (Code, String) {
    let problem = read_for(1, text).err().unwrap_or_else(|| panic!("{text} is read"));
    let body = crate::problem::tests::rendered(&problem).await;
    (problem.code(), body["detail"].as_str().unwrap().to_owned())
}

fn position() -> Position {
    Position { record: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into(), sorted_by: None }
}

/// The cursor that a list with this query answers.
fn cursor_of(query: &str) -> String {
    let bound_to = read_for(1, query).ok().unwrap().bound_to;
    cursors().seal(&scope(1), ROUTE, &bound_to, &position()).unwrap()
}

#[test]
fn a_list_shows_the_25_newest_unless_told_otherwise() {
    let expected =
        ListQuery { order: Order::Created, descending: true, limit: 25, after: None, filters: vec![] };
    assert_eq!(query(""), expected);
}

#[test]
fn a_limit_is_from_1_to_100() {
    assert_eq!([query("limit=1").limit, query("limit=100").limit], [1, 100]);
}

#[tokio::test]
async fn any_other_limit_is_refused() {
    for limit in ["", "0", "101", "-1", "1.5", "ten", "%202", "99999999999999999999", "1e1"] {
        let expected = "The parameter `limit` must be a whole number from 1 to 100.".to_owned();
        assert_eq!(refused(&format!("limit={limit}")).await, (Code::InvalidParameter, expected), "{limit}");
    }
}

#[test]
fn a_list_is_sorted_as_asked() {
    let sorted = |sort: &str| {
        let query = query(&format!("sort={sort}"));
        (query.order, query.descending)
    };
    assert_eq!(
        ["createdAt", "-createdAt", "name", "-name", "updatedAt", "-updatedAt"].map(sorted),
        [
            (Order::Created, false),
            (Order::Created, true),
            (Order::Name, false),
            (Order::Name, true),
            (Order::Updated, false),
            (Order::Updated, true),
        ]
    );
}

#[tokio::test]
async fn any_other_sort_is_refused() {
    for sort in ["", "-", "--name", "Name", "status", "name,createdAt", "%2Bname", "name%20"] {
        let expected = "The parameter `sort` must be one of createdAt, name, updatedAt, with `-` in front for descending.";
        assert_eq!(
            refused(&format!("sort={sort}")).await,
            (Code::InvalidParameter, expected.to_owned()),
            "{sort}"
        );
    }
}

#[test]
fn filters_are_read_into_their_stored_form() {
    assert_eq!(
        query("tag=%20vip+one&status=lead&q=Ac").filters,
        [
            Filter::NamePrefix("Ac".into()),
            Filter::Equals("status", "lead".into()),
            Filter::Contains("tags", "vip one".into()),
        ]
    );
}

#[tokio::test]
async fn an_unknown_repeated_or_bad_parameter_is_refused() {
    for (text, detail) in [
        ("colour=red", "The parameter `colour` is not known here."),
        ("Limit=5", "The parameter `Limit` is not known here."),
        ("=", "The parameter `` is not known here."),
        ("limit=5&limit=5", "The parameter `limit` is given twice."),
        ("status=lead&tag=a&status=active", "The parameter `status` is given twice."),
        ("colour=1&colour=1", "The parameter `colour` is not known here."),
        ("status=gone", "The parameter `status` must be one of lead, active."),
        ("status", "The parameter `status` must be one of lead, active."),
        ("tag=", "The parameter `tag` must not be empty."),
    ] {
        assert_eq!(refused(text).await, (Code::InvalidParameter, detail.to_owned()), "{text}");
    }
}

#[test]
fn a_cursor_continues_its_list() {
    let list = "sort=name&status=lead&tag=a";
    let next = query(&format!("{list}&cursor={}", cursor_of(list)));
    assert_eq!(next, ListQuery { after: Some(position()), ..query(list) });
}

#[test]
fn the_limit_and_the_order_of_parameters_may_change_between_pages() {
    let cursor = cursor_of("sort=name&status=lead&tag=a&limit=5");
    let next = query(&format!("limit=50&tag=a&cursor={cursor}&status=lead&sort=name"));
    assert_eq!((next.limit, next.after), (50, Some(position())));
    // The default sort is the same list, spelled out or not.
    assert_eq!(query(&format!("sort=-createdAt&cursor={}", cursor_of(""))).after, Some(position()));
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let cursor = cursor_of("sort=name&status=lead");
    let expected = "Use the cursor of the page before as it was given, or begin again.";
    for other in [
        "",
        "sort=name",
        "status=lead",
        "sort=-name&status=lead",
        "sort=name&status=active",
        "sort=name&tag=lead",
        "sort=name&status=lead&tag=a",
    ] {
        let outcome = refused(&format!("{other}&cursor={cursor}")).await;
        assert_eq!(outcome, (Code::InvalidCursor, expected.to_owned()), "{other}");
    }
    for cursor in ["", "abc", "%00", &"A".repeat(5000)] {
        let outcome = refused(&format!("cursor={cursor}")).await;
        assert_eq!(outcome, (Code::InvalidCursor, expected.to_owned()), "{cursor}");
    }
}

#[test]
fn a_cursor_of_another_account_is_refused() {
    let text = format!("cursor={}", cursor_of(""));
    assert!(read_for(1, &text).is_ok());
    assert_eq!(read_for(2, &text).err().unwrap().code(), Code::InvalidCursor);
}

proptest! {
    #[test]
    fn no_query_makes_a_list_panic_or_outgrow_its_limit(text in any::<String>(), limit in any::<i16>()) {
        if let Ok(read) = read_for(1, &format!("{text}&limit={limit}")) {
            prop_assert!((1..=100).contains(&read.query.limit));
        }
    }

    #[test]
    fn cursors_are_bound_to_their_filters(
        one in "(status=(lead|active)|tag=[ab]{1,2}|q=[ab]{1,2})?",
        other in "(status=(lead|active)|tag=[ab]{1,2}|q=[ab]{1,2})?",
    ) {
        let text = format!("{other}&cursor={}", cursor_of(&one));
        prop_assert_eq!(read_for(1, &text).is_ok(), one == other);
    }
}
