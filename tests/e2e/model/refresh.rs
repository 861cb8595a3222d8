//! Every order in which three holders of one session's tokens can use them, against a model.

use std::collections::{BTreeMap, BTreeSet};

use auth::Settings;
use axum::body::Body;
use futures::future::join_all;
use nexo_api::app;
use nexo_domain::{AccountId, Email, Role, RoleRef, SecurityEventType, SessionId, Text, UserId};
use nexo_identity::{Link, RefreshToken, Signer};
use nexo_store::{
    Access, Directory, Login, Meter, NewAccount, NewUser, PendingRegistration, Profile, RequestInfo,
    SecurityEvent, Session, SessionUse, Used,
};
use nexo_tests::{Answer, Nexo};
use reqwest::Method;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::direct;

/// A rule of `auth`: after its use a token still gets the successor it got, for so long.
const GRACE_MS: i64 = 10_000;

/// One step: twice this long is more than the grace, once is less.
const STEP_MS: i64 = 6_000;

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// This holder refreshes with the latest token it was given.
    Latest(usize),
    /// This holder refreshes with the token it began with.
    First(usize),
    /// Time passes.
    Wait,
}

/// The rules, without a table: a session, its generation, and when that began.
struct Model {
    alive: bool,
    generation: u32,
    rotated_at: i64,
    now: i64,
}

impl Model {
    /// The generation a token gets; `None` when it is refused.
    fn refresh(&mut self, token: u32) -> Option<u32> {
        if !self.alive {
            return None;
        }
        if token == self.generation {
            self.generation += 1;
            self.rotated_at = self.now;
            return Some(self.generation);
        }
        if token + 1 == self.generation && self.now - self.rotated_at <= GRACE_MS {
            return Some(self.generation);
        }
        self.alive = false;
        None
    }
}

/// `auth` itself on a table of its own, with a secret that the test knows.
struct Auth {
    nexo: Nexo,
    router: axum::Router,
    directory: Directory,
    signer: Signer,
}

/// A session that was begun behind the API's back: hashing a password for each would take minutes.
struct Family {
    account: AccountId,
    user: UserId,
    session: SessionId,
}

impl Auth {
    async fn start() -> Self {
        let nexo = Nexo::start().await;
        let platform = direct::platform(&nexo, "AuthFunction");
        let secret = "a secret of the test, known to it alone";
        let settings = Settings {
            signing_secret: secret.into(),
            link_secret: secret.into(),
            issuer: "nexo.local".into(),
            relying_party: "localhost".into(),
            origin: "http://localhost:3000".into(),
        };
        auth::publish_keys(&platform, &settings).await.unwrap();
        Self {
            router: app(auth::routes(&platform, &settings).unwrap()),
            directory: platform.directory(&Meter::default()),
            signer: Signer::from_secret(secret.as_bytes(), "nexo.local", nexo.clock.clone()).unwrap(),
            nexo,
        }
    }

    async fn begin(&self) -> Family {
        let clock = &self.nexo.clock;
        let (account, user, session) = (clock.mint().unwrap(), clock.mint().unwrap(), clock.mint().unwrap());
        let now = clock.now();
        let name = |text: &str| Text::parse(text).unwrap();
        let email = Email::parse(&format!("{user}@model.example")).unwrap();
        let access = Access::new(vec![RoleRef::System(Role::Owner)]);
        let profile = Profile::new(user, email, [name("Ada"), name("Lovelace")], &access, now);
        let last_use = SessionUse {
            rotated_at: now,
            expires_at: now.as_seconds() + 3600,
            ip: "::1".into(),
            user_agent: None,
        };
        let request = RequestInfo {
            request_id: "model".into(),
            ip: "127.0.0.1".into(),
            user_agent: None,
            meter: Meter::default(),
        };
        let owner = NewUser {
            account,
            user,
            profile,
            login: Login {
                account_id: account,
                user_id: user,
                password_hash: "none".into(),
                networks: Vec::new(),
            },
            session,
            state: Session {
                generation: 0,
                created_at: now,
                authenticated_at: now.as_seconds(),
                is_for_setup: false,
                is_multi_factor: false,
                last_use,
            },
            access,
            event: SecurityEvent::new(SecurityEventType::Register, &request),
        };
        let new = NewAccount { company: Text::parse("Model").unwrap(), owner };
        let link = Link::new(&["registration"], clock.mint().unwrap());
        let pending = PendingRegistration {
            company: new.company.clone(),
            email: new.owner.profile.email.clone(),
            password_hash: "none".into(),
            first_name: new.owner.profile.first_name.clone(),
            last_name: new.owner.profile.last_name.clone(),
        };
        self.directory.hold(&link, &pending, now.as_seconds() + 60, &[]).await.unwrap();
        assert_eq!(self.directory.register(&new, &link).await.unwrap(), Used::Done);
        Family { account, user, session }
    }

    fn token(&self, family: &Family, generation: u32) -> String {
        let Family { account, user, session } = *family;
        self.signer.refresh_key().seal(&RefreshToken { account, user, session, generation })
    }

    async fn answer(&self, request: http::Request<Body>) -> (u16, Value) {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// The refresh and the access token that a refresh token gets; `None` when it is refused.
    async fn refresh(&self, token: &str) -> Option<(String, String)> {
        let request = http::Request::post("/api/auth/refresh").header("content-type", "application/json");
        let body = json!({"refreshToken": token}).to_string();
        let (status, answer) = self.answer(request.body(Body::from(body)).unwrap()).await;
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        match status {
            200 => Some((text("refreshToken"), text("accessToken"))),
            401 => None,
            _ => panic!("{status} {answer}"),
        }
    }

    async fn is_let_in(&self, access_token: &str) -> bool {
        let request =
            http::Request::get("/api/auth/profile").header("authorization", format!("Bearer {access_token}"));
        self.answer(request.body(Body::empty()).unwrap()).await.0 == 200
    }

    /// Plays one order of events on a session of its own.
    async fn play(&self, events: &[Event]) {
        let family = self.begin().await;
        let mut model = Model { alive: true, generation: 0, rotated_at: 0, now: 0 };
        let mut latest = [0_u32; 3];
        let (mut issued, mut access) = (BTreeSet::from([0]), None);
        for (step, event) in events.iter().enumerate() {
            let (holder, generation) = match *event {
                Event::Wait => {
                    self.nexo.clock.advance(STEP_MS);
                    model.now += STEP_MS;
                    continue;
                }
                Event::Latest(holder) => (holder, latest[holder]),
                Event::First(holder) => (holder, 0),
            };
            let got = self.refresh(&self.token(&family, generation)).await;
            let expected = model.refresh(generation);
            // The successor is derived, so it is the same text however often it is given.
            let expected_text = expected.map(|generation| self.token(&family, generation));
            assert_eq!(
                got.as_ref().map(|(refresh, _)| refresh),
                expected_text.as_ref(),
                "{events:?}, step {step}"
            );
            if let (Some((_, token)), Some(generation)) = (got, expected) {
                latest[holder] = generation;
                issued.insert(generation);
                access = Some(token);
            }
        }
        // Once a spent token was used again, nothing that descends from the login is good for anything.
        if !model.alive {
            for generation in issued {
                assert_eq!(
                    self.refresh(&self.token(&family, generation)).await,
                    None,
                    "{events:?}, {generation}"
                );
            }
        }
        if let Some(token) = access {
            assert_eq!(self.is_let_in(&token).await, model.alive, "{events:?}");
        }
    }
}

/// Every order of so many events. Holders are alike until they act, so the first to act is called 0,
/// and the next one 1.
fn orders(length: usize) -> Vec<Vec<Event>> {
    let mut orders = vec![(Vec::new(), 0)];
    for _ in 0..length {
        let mut longer = Vec::new();
        for (order, acted) in orders {
            let mut add = |event, acted| {
                let mut next: Vec<Event> = order.clone();
                next.push(event);
                longer.push((next, acted));
            };
            for holder in 0..3.min(acted + 1) {
                add(Event::Latest(holder), acted.max(holder + 1));
                // Before a holder has acted, the token it began with is its latest.
                if holder < acted {
                    add(Event::First(holder), acted);
                }
            }
            // A third wait in a row is no other than a second.
            if !order.ends_with(&[Event::Wait, Event::Wait]) {
                add(Event::Wait, acted);
            }
        }
        orders = longer;
    }
    // To wait before anything was done, or after everything was, changes nothing.
    let is_idle = |event: Option<&Event>| event == Some(&Event::Wait);
    orders.retain(|(order, _)| !is_idle(order.first()) && !is_idle(order.last()));
    orders.into_iter().map(|(order, _)| order).collect()
}

#[tokio::test]
async fn every_order_of_refreshes_goes_as_the_model_says() {
    let auth = Auth::start().await;
    let orders = orders(ORDER);
    assert!(orders.len() > 300, "{}", orders.len());
    for order in &orders {
        auth.play(order).await;
    }
    assert_eq!(auth.nexo.door().log().totals().refused, 0);
}

/// Events in an order. Shorter orders are the beginnings of these.
const ORDER: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn holders_that_refresh_at_once_get_one_successor_or_none() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let refresh = async |token: String| {
        let body = json!({"refreshToken": token});
        Answer::of(nexo.request(Method::POST, "/api/auth/refresh").json(&body)).await
    };
    let mut token = company.refresh_token().to_owned();
    let mut spent = Vec::new();
    for _ in 0..5 {
        // Within the grace, and past the gateway's throttle.
        nexo.clock.advance(5_000);
        let answers = join_all((0..5).map(|_| refresh(token.clone()))).await;
        let mut successors = BTreeMap::<String, usize>::new();
        for answer in &answers {
            // Within the grace each of them gets the same one.
            assert_eq!(answer.status, 200, "{answer:?}");
            *successors.entry(answer.body["refreshToken"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert_eq!(successors.len(), 1, "{successors:?}");
        spent.push(token);
        token = successors.into_keys().next().unwrap();
    }
    nexo.clock.advance(5_000);
    // A thief tries all old ones at once while the owner goes on: after that nobody has anything.
    let at_once = spent.iter().map(|old| refresh(old.clone())).chain((0..4).map(|_| refresh(token.clone())));
    let answers = join_all(at_once).await;
    for answer in &answers[..spent.len() - 1] {
        answer.assert_problem(401, "unauthenticated");
    }
    let given = answers.iter().filter_map(|answer| answer.body["refreshToken"].as_str().map(str::to_owned));
    for descendant in given.chain(spent).chain([token]) {
        nexo.clock.advance(1_000);
        refresh(descendant).await.assert_problem(401, "unauthenticated");
    }
    company.get("/api/auth/profile").await.assert_problem(401, "unauthenticated");
}
