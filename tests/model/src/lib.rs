//! A model of the protocol between clients, workers and Redis, for the checker stateright.
//!
//! The model has one session, two clients, one or two workers and two Redis nodes. A script is one
//! atomic step, as in Redis. Everything between two scripts may fail: a request, a reply or a
//! response is lost, a script runs late, a worker or a client sends again, Redis fails over. The
//! checker visits every state that these steps can reach, and evaluates [`properties`] in each.
//!
//! [`Protocol`] selects the rules: ours, a counter in place of the hash chain, or rules with one
//! known flaw. [`Scope`] bounds the exploration. `docs/consistency.md` describes both.
//!
//! What the model leaves out: leases and limits, timestamps, reply formats, and more than one
//! session. A hash never collides in it.

mod audit;
mod client;
mod explore;
mod model;
pub mod properties;
mod protocol;
mod redis;
mod request;
mod scope;
mod script;
mod sight;
mod state;
mod steps;
mod token;

pub use audit::{Audit, End, Position, SESSION_ENDED};
pub use client::{Call, Client, ClientIndex, Operation, Phase};
pub use explore::{Exploration, explore, shortest_counterexample};
pub use protocol::{Flaw, Protocol, RECENT_TOKENS};
pub use redis::{Node, NodeIndex, Role, StrayScript, Topology};
pub use scope::{Failover, OperationCounts, Rendezvous, Scope};
pub use script::{Reply, Script, Session, Snapshot, Version, WriteId, run_script};
pub use sight::{Sight, classify};
pub use state::{Answer, State};
pub use steps::{Kind, Step};
pub use token::{Data, Token, TokenScheme};
