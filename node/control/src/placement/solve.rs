//! The solver: each agent by itself, over the nodes in the order of its strategy.

use super::{Assignment, Load, Need, Offer, Plan, Previous, Problem, Reason, Unplaced};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use symbi_model::NodeId;
use symbi_model::agent::{AgentName, Resources, Strategy, Tier};

/// Millionths: room is compared in whole numbers.
const WHOLE: u128 = 1_000_000;

/// Where a node stands: the most room first, by what is used and then by what is reserved, then the fewest agents.
type Rank = (Reverse<u64>, Reverse<u64>, u32, NodeId);

/// What of a need decides which nodes have room for it.
type Demand<'a> = (Resources, Tier, &'a BTreeSet<String>);

/// Plans a node for every wanted agent that holds none: those of a higher priority first, then by name. Says of the others why.
///
/// As [`places`], and O(kinds of need that found no room × nodes) for the reasons.
#[must_use]
pub fn solve(problem: &Problem, previous: &Previous) -> Plan {
    let Solved { pool, places, left, hopeless } = assign(problem, previous);
    let reasons: BTreeMap<Demand<'_>, Arc<[(NodeId, Reason)]>> =
        hopeless.into_iter().map(|(demand, need)| (demand, pool.reasons(need))).collect();
    let unplaced = left
        .into_iter()
        .map(|(agent, need)| Unplaced { agent: agent.clone(), reasons: Arc::clone(&reasons[&demand(need)]) })
        .collect();
    Plan { places, unplaced }
}

/// The places of [`solve`], for those who do not ask why the others have none.
///
/// O(agents × log nodes) while the first node of the order has room, O(agents × nodes) at worst.
#[must_use]
pub fn places(problem: &Problem, previous: &Previous) -> Vec<Assignment> {
    assign(problem, previous).places
}

/// What came of assigning.
struct Solved<'a> {
    /// The nodes as they are then.
    pool: Pool<'a>,
    /// Who got a node.
    places: Vec<Assignment>,
    /// Who got none.
    left: Vec<(&'a AgentName, &'a Need)>,
    /// The needs that found none, one of a kind.
    hopeless: BTreeMap<Demand<'a>, &'a Need>,
}

fn assign<'a>(problem: &'a Problem, previous: &Previous) -> Solved<'a> {
    let mut pool = Pool::new(problem, previous);
    let mut waiting: Vec<(&AgentName, &Need)> =
        problem.wanted.iter().filter(|(agent, _)| !previous.held.contains_key(agent)).collect();
    waiting.sort_by_key(|(agent, need)| (Reverse(need.priority), *agent));

    let (mut places, mut left) = (Vec::new(), Vec::new());
    let mut hopeless: BTreeMap<Demand<'_>, &Need> = BTreeMap::new();
    for (agent, need) in waiting {
        // Room only shrinks while solving: what had none a moment ago has none now.
        let node = if hopeless.contains_key(&demand(need)) { None } else { pool.take(need) };
        if let Some(node) = node {
            places.push(Assignment { agent: agent.clone(), node });
        } else {
            hopeless.insert(demand(need), need);
            left.push((agent, need));
        }
    }
    Solved { pool, places, left, hopeless }
}

fn demand(need: &Need) -> Demand<'_> {
    (need.resources, need.tier, &need.require)
}

/// The nodes while agents are put on them.
///
/// Invariant: `order` has one rank for each open node, the one that its load gives.
struct Pool<'a> {
    /// What each node offers, and what is committed to it.
    nodes: BTreeMap<NodeId, (&'a Offer, Load)>,
    /// Open nodes, the roomiest first.
    order: BTreeSet<Rank>,
    /// Open nodes by name.
    names: Vec<NodeId>,
}

impl<'a> Pool<'a> {
    fn new(problem: &'a Problem, previous: &Previous) -> Self {
        let mut nodes: BTreeMap<NodeId, (&'a Offer, Load)> =
            problem.nodes.iter().map(|(node, offer)| (*node, (offer, Load::default()))).collect();
        for (node, resources) in previous.held.values() {
            if let Some((_, load)) = nodes.get_mut(node) {
                *load = load.and(*resources);
            }
        }
        let open = || nodes.iter().filter(|(_, (offer, _))| offer.closed.is_none());
        let order = open().map(|(node, (offer, load))| rank(*node, offer, load)).collect();
        let mut names: Vec<(&str, NodeId)> = open().map(|(node, (offer, _))| (offer.name.as_str(), *node)).collect();
        names.sort_unstable();
        let names = names.into_iter().map(|(_, node)| node).collect();
        Self { nodes, order, names }
    }

    /// Puts an agent on the node that its strategy says, of those that can have it.
    fn take(&mut self, need: &Need) -> Option<NodeId> {
        let fits = |node: &NodeId| self.obstacle(node, need).is_none();
        let back_to = need.back_to.filter(|node| self.nodes.contains_key(node) && fits(node));
        let mut ranked = self.order.iter().map(|(_, _, _, node)| *node);
        let node = back_to.or_else(|| match need.strategy {
            Strategy::Spread => ranked.find(fits),
            Strategy::BestFit => ranked.rfind(fits),
            Strategy::FirstFit => self.names.iter().copied().find(fits),
        })?;
        let (offer, load) = self.nodes.get_mut(&node)?;
        self.order.remove(&rank(node, offer, load));
        *load = load.and(need.resources);
        self.order.insert(rank(node, offer, load));
        Some(node)
    }

    fn obstacle(&self, node: &NodeId, need: &Need) -> Option<Reason> {
        self.nodes.get(node).and_then(|(offer, load)| offer.obstacle(*load, need))
    }

    fn reasons(&self, need: &Need) -> Arc<[(NodeId, Reason)]> {
        let nodes = self.nodes.iter();
        nodes.filter_map(|(node, (offer, load))| Some((*node, offer.obstacle(*load, need)?))).collect()
    }
}

fn rank(node: NodeId, offer: &Offer, load: &Load) -> Rank {
    let used = offer.used.unwrap_or_default();
    let taken = Resources {
        memory_mb: load.reserved.memory_mb.max(used.memory_mb),
        cpu_millis: load.reserved.cpu_millis.max(used.cpu_millis),
    };
    (Reverse(room(offer, taken)), Reverse(room(offer, load.reserved)), load.agents, node)
}

/// The share that is left of whatever is scarcest, in millionths.
fn room(offer: &Offer, taken: Resources) -> u64 {
    let memory = share(offer.allocatable.memory_mb, taken.memory_mb);
    memory.min(share(offer.allocatable.cpu_millis, taken.cpu_millis))
}

fn share(whole: u64, taken: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    let free = u128::from(whole.saturating_sub(taken));
    // At most WHOLE, so it fits.
    u64::try_from(free * WHOLE / u128::from(whole)).unwrap_or(0)
}
