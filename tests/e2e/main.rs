//! Tests of the whole product, through the gateway.

mod auth;
mod clients;
mod events;
mod guard;
mod matrix;
mod roadmap;
mod units;
