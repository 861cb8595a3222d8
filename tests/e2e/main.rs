//! Tests of the whole product, through the gateway.

mod events;
mod guard;
mod matrix;
mod roadmap;
mod units;
