//! A client of NATS: its text protocol over one connection (<https://docs.nats.io/reference/reference-protocols/nats-protocol>).

use bytes::{Buf, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

/// Commands that wait to be written; a sender beyond that waits.
const QUEUE: usize = 4096;
/// How much is written at once.
const WRITE: usize = 64 * 1024;

/// A message that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// On which subject.
    pub subject: String,
    /// Where an answer is wanted; empty if none is.
    pub reply: String,
    /// What it says.
    pub payload: Bytes,
}

/// The writing side. Clones are the same connection.
#[derive(Clone, Debug)]
pub struct Sender(mpsc::Sender<Bytes>);

/// Connects: the writing side, and the messages of what is subscribed to.
///
/// # Errors
/// Nobody listens there.
pub async fn open(address: &str) -> io::Result<(Sender, mpsc::Receiver<Message>)> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (read, write) = stream.into_split();
    let (commands, queued) = mpsc::channel(QUEUE);
    let (messages, received) = mpsc::channel(QUEUE);
    tokio::spawn(writing(write, queued));
    tokio::spawn(reading(read, messages, commands.clone()));
    let sender = Sender(commands);
    sender.send("CONNECT {\"verbose\":false,\"pedantic\":false}\r\n".to_owned().into()).await;
    Ok((sender, received))
}

impl Sender {
    /// Asks for the messages of a subject.
    pub async fn subscribe(&self, subject: &str) {
        self.send(format!("SUB {subject} 1\r\n").into()).await;
    }

    /// Publishes; nobody says whether it arrived.
    pub async fn publish(&self, subject: &str, reply: &str, payload: &[u8]) {
        let head = if reply.is_empty() {
            format!("PUB {subject} {}\r\n", payload.len())
        } else {
            format!("PUB {subject} {reply} {}\r\n", payload.len())
        };
        self.send([head.as_bytes(), payload, b"\r\n"].concat().into()).await;
    }

    async fn send(&self, command: Bytes) {
        // Without a connection there are no answers either, and those who wait for one find out.
        let _ = self.0.send(command).await;
    }
}

async fn writing(mut write: OwnedWriteHalf, mut queued: mpsc::Receiver<Bytes>) {
    let mut together = BytesMut::new();
    while let Some(command) = queued.recv().await {
        together.extend_from_slice(&command);
        while together.len() < WRITE
            && let Ok(command) = queued.try_recv()
        {
            together.extend_from_slice(&command);
        }
        if write.write_all(&together).await.is_err() {
            return;
        }
        together.clear();
    }
}

async fn reading(mut read: OwnedReadHalf, messages: mpsc::Sender<Message>, commands: mpsc::Sender<Bytes>) {
    let mut unread = BytesMut::with_capacity(2 * WRITE);
    loop {
        while let Some(said) = next(&mut unread) {
            let gone = match said {
                Said::Message(message) => messages.send(message).await.is_err(),
                Said::Ping => commands.send(Bytes::from_static(b"PONG\r\n")).await.is_err(),
                Said::Other => false,
            };
            if gone {
                return;
            }
        }
        if !matches!(read.read_buf(&mut unread).await, Ok(1..)) {
            return;
        }
    }
}

/// What the server said.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Message(Message),
    Ping,
    Other,
}

/// Takes the next thing that the server has said in whole.
fn next(unread: &mut BytesMut) -> Option<Said> {
    let end = unread.windows(2).position(|two| two == b"\r\n")?;
    let line = String::from_utf8_lossy(&unread[..end]).into_owned();
    let mut words = line.split_ascii_whitespace();
    match words.next() {
        Some("MSG") => {
            let words: Vec<&str> = words.collect();
            let (subject, reply, length) = match words[..] {
                [subject, _, length] => (subject, "", length),
                [subject, _, reply, length] => (subject, reply, length),
                _ => ("", "", "0"),
            };
            let length: usize = length.parse().unwrap_or(0);
            if unread.len() < end + 2 + length + 2 {
                return None;
            }
            unread.advance(end + 2);
            let payload = unread.split_to(length).freeze();
            unread.advance(2);
            Some(Said::Message(Message { subject: subject.to_owned(), reply: reply.to_owned(), payload }))
        }
        Some("PING") => {
            unread.advance(end + 2);
            Some(Said::Ping)
        }
        _ => {
            unread.advance(end + 2);
            Some(Said::Other)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, Said, next};
    use bytes::BytesMut;

    #[test]
    fn what_the_server_says_is_taken_in_whole() {
        let mut unread = BytesMut::from(&b"INFO {}\r\nPING\r\nMSG a 1 5\r\nhe\r\no\r\nMSG b 1 back 2\r\nh"[..]);
        let message = |subject: &str, reply: &str, payload: &'static [u8]| {
            Some(Said::Message(Message { subject: subject.into(), reply: reply.into(), payload: payload.into() }))
        };
        assert_eq!(next(&mut unread), Some(Said::Other));
        assert_eq!(next(&mut unread), Some(Said::Ping));
        assert_eq!(next(&mut unread), message("a", "", b"he\r\no"));
        assert_eq!(next(&mut unread), None);
        unread.extend_from_slice(b"i\r\n");
        assert_eq!(next(&mut unread), message("b", "back", b"hi"));
        assert!(unread.is_empty());
    }
}
