//! The solver: worst fit over an ordered set of nodes.

use super::{Assignment, Need, Offer, Plan, Previous, Problem, Reason, Unplaced};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use symbi_model::NodeId;
use symbi_model::agent::{AgentName, Resources};

/// Millionths: room is compared in whole numbers.
const WHOLE: u128 = 1_000_000;

/// Where a node stands in the order: the most room first, then the fewest agents.
type Rank = (Reverse<u64>, u32, NodeId);

/// Plans a node for every wanted agent that holds none.
///
/// Larger agents come first, so that small ones fill what is left. O(agents × log nodes) while the roomiest node has room.
#[must_use]
pub fn solve(problem: &Problem, previous: &Previous) -> Plan {
    let mut field = Field::new(problem, previous);
    let mut waiting: Vec<(&AgentName, Need)> = problem
        .wanted
        .iter()
        .filter(|(agent, _)| !previous.held.contains_key(agent))
        .map(|(agent, need)| (agent, *need))
        .collect();
    waiting.sort_by_key(|(agent, need)| (Reverse(need.resources), *agent));

    let mut plan = Plan::default();
    let mut left = Vec::new();
    let mut hopeless = BTreeSet::new();
    for (agent, need) in waiting {
        // Room only shrinks while solving: what had none a moment ago has none now.
        let node = if hopeless.contains(&need) { None } else { field.take(need) };
        if let Some(node) = node {
            plan.places.push(Assignment { agent: agent.clone(), node });
        } else {
            hopeless.insert(need);
            left.push((agent, need));
        }
    }
    let reasons: BTreeMap<Need, Arc<[(NodeId, Reason)]>> =
        hopeless.into_iter().map(|need| (need, field.reasons(need))).collect();
    plan.unplaced = left
        .into_iter()
        .map(|(agent, need)| Unplaced { agent: agent.clone(), reasons: Arc::clone(&reasons[&need]) })
        .collect();
    plan
}

/// The nodes while agents are put on them.
///
/// Invariant: `order` has one rank for each open node, the one that its load gives.
struct Field<'a> {
    /// The nodes.
    nodes: BTreeMap<NodeId, Load<'a>>,
    /// Open nodes, the roomiest first.
    order: BTreeSet<Rank>,
}

/// A node and what is on it.
struct Load<'a> {
    /// What it offers.
    offer: &'a Offer,
    /// What is reserved on it.
    reserved: Resources,
    /// How many agents are on it.
    agents: u32,
}

impl<'a> Field<'a> {
    fn new(problem: &'a Problem, previous: &Previous) -> Self {
        let load = |offer| Load { offer, reserved: Resources::default(), agents: 0 };
        let mut nodes: BTreeMap<NodeId, Load<'a>> =
            problem.nodes.iter().map(|(node, offer)| (*node, load(offer))).collect();
        for (node, resources) in previous.held.values() {
            if let Some(load) = nodes.get_mut(node) {
                load.add(*resources);
            }
        }
        let open = nodes.iter().filter(|(_, load)| load.offer.closed.is_none());
        let order = open.map(|(node, load)| load.rank(*node)).collect();
        Self { nodes, order }
    }

    /// Puts an agent on the roomiest node that can have it.
    fn take(&mut self, need: Need) -> Option<NodeId> {
        let rank = *self.order.iter().find(|(_, _, node)| self.obstacle(*node, need).is_none())?;
        let node = rank.2;
        self.order.remove(&rank);
        let load = self.nodes.get_mut(&node)?;
        load.add(need.resources);
        self.order.insert(load.rank(node));
        Some(node)
    }

    fn obstacle(&self, node: NodeId, need: Need) -> Option<Reason> {
        self.nodes.get(&node).and_then(|load| load.offer.obstacle(load.reserved, need))
    }

    fn reasons(&self, need: Need) -> Arc<[(NodeId, Reason)]> {
        let nodes = self.nodes.iter();
        nodes.filter_map(|(node, load)| Some((*node, load.offer.obstacle(load.reserved, need)?))).collect()
    }
}

impl Load<'_> {
    fn add(&mut self, resources: Resources) {
        self.reserved = self.reserved.plus(resources);
        self.agents += 1;
    }

    fn rank(&self, node: NodeId) -> Rank {
        (Reverse(self.room()), self.agents, node)
    }

    /// The share that is left of whatever is scarcest, in millionths.
    fn room(&self) -> u64 {
        let memory = share(self.offer.allocatable.memory_mb, self.reserved.memory_mb.max(self.offer.used.memory_mb));
        let cpu = share(self.offer.allocatable.cpu_millis, self.reserved.cpu_millis.max(self.offer.used.cpu_millis));
        memory.min(cpu)
    }
}

fn share(whole: u64, taken: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    let free = u128::from(whole.saturating_sub(taken));
    // At most WHOLE, so it fits.
    u64::try_from(free * WHOLE / u128::from(whole)).unwrap_or(0)
}
