//! One connection's side of the substreams: negotiates what is offered and what is wished for.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::Stream;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol};

use super::{Open, Refusal, Slot};

/// How long the negotiation of one substream may take.
const NEGOTIATION: Duration = Duration::from_secs(2);

/// The handler.
pub(crate) struct Handler {
    /// What this peer may open.
    offered: Vec<Slot>,
    /// What we want to open.
    wishes: VecDeque<Open>,
    /// What the peer opened.
    opened: VecDeque<(Slot, Stream)>,
}

impl Handler {
    /// A handler that offers `offered`.
    pub(super) fn new(offered: Vec<Slot>) -> Self {
        Self { offered, wishes: VecDeque::new(), opened: VecDeque::new() }
    }
}

/// The protocols of one negotiation, in order of preference.
pub(crate) struct Offer(Vec<Slot>);

impl UpgradeInfo for Offer {
    type Info = Slot;
    type InfoIter = std::vec::IntoIter<Slot>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (Slot, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, slot: Slot) -> Self::Future {
        ready(Ok((slot, stream)))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = (Slot, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, slot: Slot) -> Self::Future {
        ready(Ok((slot, stream)))
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = (Slot, Stream);
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Open;

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        SubstreamProtocol::new(Offer(self.offered.clone()), ()).with_timeout(NEGOTIATION)
    }

    /// A member's connection stays; a stranger's ends when nothing is under way on it.
    fn connection_keep_alive(&self) -> bool {
        !self.offered.is_empty()
    }

    fn on_behaviour_event(&mut self, open: Open) {
        self.wishes.push_back(open);
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Offer, Open, (Slot, Stream)>> {
        if let Some(opened) = self.opened.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(opened));
        }
        if let Some(open) = self.wishes.pop_front() {
            let protocol = SubstreamProtocol::new(Offer(vec![open.slot]), open).with_timeout(NEGOTIATION);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Offer, Offer, (), Open>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. }) => {
                self.opened.push_back(protocol);
            }
            // If the one who wished has gone, the substream is dropped, which resets it.
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: (_, stream), info }) => {
                let _ = info.reply.send(Ok(stream));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                let _ = info.reply.send(Err(refusal(error)));
            }
            _ => {}
        }
    }
}

/// The reason in our words.
fn refusal(error: StreamUpgradeError<Infallible>) -> Refusal {
    match error {
        StreamUpgradeError::NegotiationFailed => Refusal::Unsupported,
        StreamUpgradeError::Timeout => Refusal::Failed("opening a substream timed out".to_owned()),
        StreamUpgradeError::Io(error) => Refusal::Failed(error.to_string()),
        StreamUpgradeError::Apply(never) => match never {},
    }
}
