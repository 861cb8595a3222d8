//! Behaviour against models small enough to be right by inspection: the rotation of refresh tokens,
//! and lists.

mod lists;
mod refresh;
