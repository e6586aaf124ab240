//! What can be done to the links between hosts.
//!
//! turmoil's TCP sends nothing again. What is *held* comes later, so a connection survives it; what is *lost* wedges every
//! connection of the link, until one side closes it for silence.

use super::World;
use std::time::Duration;

impl World {
    /// Holds every link of a host: what is sent waits.
    pub fn hold(&mut self, at: usize) {
        self.fault(format!("hold {}", self.hosts[at].name));
        self.each_link(at, |sim, one, other| sim.hold(one, other));
    }

    /// Holds the link between two hosts.
    pub(super) fn hold_one(&mut self, one: usize, other: usize) {
        self.fault(format!("hold {} and {} apart", self.hosts[one].name, self.hosts[other].name));
        self.sim.hold(self.hosts[one].name.as_str(), self.hosts[other].name.as_str());
    }

    /// Holds the links between hosts that are not neighbours, in a ring of all.
    pub fn hold_all_but_ring(&mut self) {
        self.fault("ring of all: hold what is not between neighbours".to_owned());
        for (one, other) in self.chords() {
            self.sim.hold(self.hosts[one].name.as_str(), self.hosts[other].name.as_str());
        }
    }

    /// Delivers what was held beside the ring, and holds no more; answers how many segments that were.
    pub fn release_all_but_ring(&mut self) -> usize {
        self.fault("release what is not between neighbours".to_owned());
        let chords = self.chords();
        let both = chords.iter().flat_map(|(one, other)| [(*one, *other), (*other, *one)]);
        let held = both.map(|(from, to)| self.on_the_way(from, to, |_| ())).sum();
        for (one, other) in chords {
            self.sim.release(self.hosts[one].name.as_str(), self.hosts[other].name.as_str());
        }
        held
    }

    /// Delivers what was held, and holds no more.
    pub fn release(&mut self, at: usize) {
        self.fault(format!("release {}", self.hosts[at].name));
        self.each_link(at, |sim, one, other| sim.release(one, other));
    }

    /// Holds what `from` sends to `to`; the other direction goes on.
    pub fn hold_one_way(&mut self, to: usize, from: usize) {
        self.fault(format!("hold-one-way {} to {}", self.hosts[from].name, self.hosts[to].name));
        self.sim.hold(self.hosts[from].name.as_str(), self.hosts[to].name.as_str());
        self.one_way = Some((from, to));
    }

    /// Delivers what [`World::hold_one_way`] has held, and holds no more; answers how many segments that were.
    pub fn release_one_way(&mut self) -> usize {
        let Some((from, to)) = self.one_way.take() else { return 0 };
        self.fault(format!("release-one-way {} to {}", self.hosts[from].name, self.hosts[to].name));
        let held = self.on_the_way(from, to, |_| ());
        self.sim.release(self.hosts[from].name.as_str(), self.hosts[to].name.as_str());
        held
    }

    /// turmoil holds both directions; this passes on what is held of the one that goes on.
    pub(super) fn let_pass(&self) {
        if let Some((from, to)) = self.one_way {
            self.on_the_way(to, from, |segment| segment.deliver());
        }
    }

    /// Does something with each segment on its way from one host to another; answers how many there were.
    fn on_the_way(&self, from: usize, to: usize, act: impl Fn(turmoil::SentRef<'_>)) -> usize {
        let [from, to] = [from, to].map(|at| self.sim.lookup(self.hosts[at].name.as_str()));
        let mut count = 0;
        self.sim.links(|links| {
            for segment in links.flatten() {
                let (source, target) = segment.pair();
                if (source.ip(), target.ip()) == (from, to) {
                    count += 1;
                    act(segment);
                }
            }
        });
        count
    }

    /// Loses whatever is on the link between two hosts, and what they send to each other from now on.
    pub fn lose(&mut self, one: usize, other: usize) {
        self.fault(format!("lose {} {}", self.hosts[one].name, self.hosts[other].name));
        self.sim.partition(self.hosts[one].name.as_str(), self.hosts[other].name.as_str());
    }

    /// Loses no more. What was lost stays lost.
    pub fn mend(&mut self, one: usize, other: usize) {
        self.fault(format!("mend {} {}", self.hosts[one].name, self.hosts[other].name));
        self.sim.repair(self.hosts[one].name.as_str(), self.hosts[other].name.as_str());
    }

    /// Lets segments of a host's links be on their way for up to `longest`.
    pub fn slow(&mut self, at: usize, longest: Duration) {
        self.fault(format!("slow {} to {} ms", self.hosts[at].name, longest.as_millis()));
        self.each_link(at, |sim, one, other| sim.set_link_max_message_latency(one, other, longest));
    }

    /// Lets a host's links be as fast as at the start.
    pub fn restore_latency(&mut self, at: usize) {
        self.fault(format!("restore-latency {}", self.hosts[at].name));
        let latency = self.latency;
        self.each_link(at, |sim, one, other| sim.set_link_max_message_latency(one, other, latency));
    }

    /// The pairs of hosts that are not neighbours in a ring of all.
    fn chords(&self) -> Vec<(usize, usize)> {
        let size = self.size();
        let pairs = (0..size).flat_map(|one| (one + 2..size).map(move |other| (one, other)));
        pairs.filter(|(one, other)| (other + 1) % size != *one).collect()
    }

    fn each_link(&self, at: usize, act: impl Fn(&turmoil::Sim<'static>, &str, &str)) {
        for other in (0..self.size()).filter(|other| *other != at) {
            act(&self.sim, &self.hosts[at].name, &self.hosts[other].name);
        }
    }
}
