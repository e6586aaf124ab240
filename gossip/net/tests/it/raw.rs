//! A libp2p client that is none of ours: says one thing on one protocol, and reports what happens.

use std::io;
use std::net::SocketAddr;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::request_response::{self, Event, Message, OutboundFailure, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm};
use symbi_net::{Identity, tcp};

use crate::support::within;

/// Writes bytes as they are, and reads so many frames, or to the end if that is none. What it is asked it never reads.
#[derive(Clone, Default)]
pub struct Raw {
    /// How many.
    frames: usize,
}

impl request_response::Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
    ) -> io::Result<Vec<u8>> {
        std::future::pending().await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        if self.frames == 0 {
            io.read_to_end(&mut all).await?;
        }
        for _ in 0..self.frames {
            let mut length = [0; 4];
            io.read_exact(&mut length).await?;
            let mut frame = vec![0; u32::from_be_bytes(length) as usize];
            io.read_exact(&mut frame).await?;
            all.extend(length.into_iter().chain(frame));
        }
        Ok(all)
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await?;
        io.flush().await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        _: Vec<u8>,
    ) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A swarm that speaks one protocol, as the peer of `seed`.
pub fn swarm(seed: u8, protocol: &'static str) -> Swarm<request_response::Behaviour<Raw>> {
    reading(seed, protocol, 0)
}

/// The same, which reads so many frames of an answer.
fn reading(seed: u8, protocol: &'static str, frames: usize) -> Swarm<request_response::Behaviour<Raw>> {
    let identity = Identity::from_seed([seed; 32]);
    let peer =
        PeerId::from_public_key(&libp2p::identity::Keypair::ed25519_from_bytes([seed; 32]).expect("a seed").public());
    let protocols = [(StreamProtocol::new(protocol), ProtocolSupport::Full)];
    let behaviour =
        request_response::Behaviour::with_codec(Raw { frames }, protocols, request_response::Config::default());
    Swarm::new(tcp(&identity), behaviour, peer, libp2p::swarm::Config::with_tokio_executor())
}

/// Says `bytes` on `protocol` to whoever listens at `addr`.
pub async fn say(
    seed: u8,
    addr: SocketAddr,
    protocol: &'static str,
    bytes: Vec<u8>,
) -> Result<Vec<u8>, OutboundFailure> {
    ask(swarm(seed, protocol), addr, bytes).await
}

/// Says `bytes`, and reads so many frames.
pub async fn say_and_read(
    seed: u8,
    addr: SocketAddr,
    protocol: &'static str,
    bytes: Vec<u8>,
    frames: usize,
) -> Result<Vec<u8>, OutboundFailure> {
    ask(reading(seed, protocol, frames), addr, bytes).await
}

/// A peer that dials `addr`, takes one protocol and answers nothing on it, for as long as the test runs.
pub fn takes_only(seed: u8, addr: SocketAddr, protocol: &'static str) {
    let mut swarm = swarm(seed, protocol);
    swarm.dial(multiaddr(addr)).expect("a dial");
    tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
}

fn multiaddr(addr: SocketAddr) -> Multiaddr {
    format!("/ip4/{}/tcp/{}", addr.ip(), addr.port()).parse().expect("an address")
}

async fn ask(
    mut swarm: Swarm<request_response::Behaviour<Raw>>,
    addr: SocketAddr,
    bytes: Vec<u8>,
) -> Result<Vec<u8>, OutboundFailure> {
    swarm.dial(multiaddr(addr)).expect("a dial");
    within(async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                    swarm.behaviour_mut().send_request(&peer_id, bytes.clone());
                }
                SwarmEvent::Behaviour(Event::Message { message: Message::Response { response, .. }, .. }) => {
                    return Ok(response);
                }
                SwarmEvent::Behaviour(Event::OutboundFailure { error, .. }) => return Err(error),
                _ => {}
            }
        }
    })
    .await
}
