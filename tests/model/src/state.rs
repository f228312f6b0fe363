//! A state of the whole system.

use crate::audit::{Audit, Position};
use crate::client::{Client, ClientIndex, Operation, Phase};
use crate::protocol::Protocol;
use crate::redis::{Node, NodeIndex, Role, StrayScript, Topology};
use crate::scope::Scope;
use crate::script::{Reply, Session};
use crate::sight::Sight;

/// The answer that a client got in the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// The client.
    pub client: ClientIndex,
    /// What it wanted.
    pub operation: Operation,
    /// What it got.
    pub reply: Reply,
    /// What that means to it.
    pub sight: Sight,
    /// The role of the node that ran the script, and the topology, when it ran. `None` if the worker
    /// answered without a reply of Redis.
    pub ran: Option<(Role, Topology)>,
    /// Whether the client had sent the request before.
    pub is_retry: bool,
    /// The newest position in any response before the operation began.
    pub floor: Position,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The Redis nodes.
    pub nodes: [Node; 2],
    /// The node that is the primary by the topology.
    pub primary: NodeIndex,
    /// How far the failover has come.
    pub topology: Topology,
    /// The node that each worker is connected to.
    pub connections: Vec<NodeIndex>,
    /// The clients.
    pub clients: [Client; 2],
    /// Scripts that may run late. Sorted.
    pub stray: Vec<StrayScript>,
    /// The faults that may still happen.
    pub faults_left: u8,
    /// What the properties need to know of the past.
    pub audit: Audit,
    /// The answer of the last step, if it was one.
    pub answer: Option<Answer>,
}

impl State {
    /// Returns the states in which a run may begin.
    pub fn initial(protocol: Protocol, scope: &Scope) -> Vec<Self> {
        let mut audit = Audit::default();
        let session = (!scope.begins_with_creation).then(|| Session::new(protocol));
        if let Some(session) = &session {
            audit.created = true;
            audit.exists(session.current());
        }
        let seen = session.as_ref().map(Session::current);
        let seen: Vec<_> = seen.iter().map(|first| (first.token, first.data)).collect();
        let clients = scope.clients.map(|left| Client {
            seen: seen.clone(),
            over: false,
            left,
            phase: Phase::Idle,
        });
        let node = |role, session: &Option<Session>| Node {
            role,
            session: session.clone(),
        };
        let whole = Self {
            nodes: [node(Role::Primary, &session), node(Role::Replica, &session)],
            primary: 0,
            topology: Topology::Initial,
            connections: vec![0; scope.workers],
            clients,
            stray: Vec::new(),
            faults_left: scope.faults,
            audit,
            answer: None,
        };
        let mut states = vec![whole.clone()];
        if scope.replica_may_be_empty {
            let mut lagging = whole;
            lagging.nodes[1].session = None;
            states.push(lagging);
        }
        states
    }

    /// The client.
    pub fn client(&self, client: ClientIndex) -> &Client {
        &self.clients[client as usize]
    }

    /// The session on the primary.
    pub fn session(&self) -> Option<&Session> {
        self.nodes[self.primary].session.as_ref()
    }
}
