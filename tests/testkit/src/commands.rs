//! The commands of the program, one per module.

pub mod connections;
pub mod homeserver;
pub mod pollers;
pub mod polls;
pub mod sessions;
pub mod sign_ins;
pub mod traffic;
