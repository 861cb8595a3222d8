//! Tests of the whole product, through the gateway.

mod events;
mod matrix;
mod roadmap;
