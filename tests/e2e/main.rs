//! Tests of the whole product, through the gateway.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::similar_names, reason = "a patch has a path, and nexo a next page")]

mod asvs;
mod auth;
mod clients;
mod crash;
mod direct;
mod employees;
mod events;
mod export;
mod faults;
mod guard;
mod health;
mod imports;
mod logs;
mod mail;
mod matrix;
mod model;
mod openapi;
mod protocol;
mod roadmap;
mod units;
mod uploads;
mod users;
