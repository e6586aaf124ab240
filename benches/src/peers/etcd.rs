//! A client of etcd's `KV.Put`: gRPC over HTTP/2, its two messages written by hand.
//!
//! A gRPC message is framed by a zero byte and its length as four big-endian bytes
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>); `PutRequest` is `{ bytes key = 1; bytes value = 2; }`.

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{SendRequest, handshake};
use http::{Method, Request, Version};
use std::error::Error;
use tokio::net::TcpStream;

/// The path of the call.
const PUT: &str = "/etcdserverpb.KV/Put";

/// A connection, on which many calls may be under way at once. Clones are the same connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Opens streams.
    streams: SendRequest<Bytes>,
    /// `http://host:port`.
    authority: String,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there, or not with HTTP/2.
    pub async fn open(address: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (streams, connection) = handshake(stream).await?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { streams, authority: format!("http://{address}") })
    }

    /// Sets a key; returns once a majority of the members has it on its disks.
    ///
    /// # Errors
    /// What failed, or the status that the server answered with.
    pub async fn put(&self, key: &[u8], value: &[u8]) -> Result<(), String> {
        self.call(framed(key, value)).await.map_err(|error| error.to_string())?
    }

    async fn call(&self, message: Bytes) -> Result<Result<(), String>, h2::Error> {
        let request = Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(format!("{}{PUT}", self.authority))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("a request of constants and an address");
        let mut streams = self.streams.clone().ready().await?;
        let (response, mut body) = streams.send_request(request, false)?;
        body.send_data(message, true)?;
        let (head, mut answer) = response.await?.into_parts();
        while let Some(data) = answer.data().await {
            let length = data?.len();
            answer.flow_control().release_capacity(length)?;
        }
        // A call that fails at once has its status in the headers.
        let trailers = answer.trailers().await?.unwrap_or(head.headers);
        match trailers.get("grpc-status").map(http::HeaderValue::as_bytes) {
            Some(b"0") => Ok(Ok(())),
            other => Ok(Err(format!("status {}", String::from_utf8_lossy(other.unwrap_or(b"missing"))))),
        }
    }
}

/// A framed `PutRequest`.
fn framed(key: &[u8], value: &[u8]) -> Bytes {
    let mut message = BytesMut::new();
    for (tag, field) in [(0x0a, key), (0x12, value)] {
        message.put_u8(tag);
        put_varint(&mut message, field.len());
        message.put_slice(field);
    }
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("a short message"));
    frame.put_slice(&message);
    frame.freeze()
}

fn put_varint(out: &mut BytesMut, mut number: usize) {
    while number >= 0x80 {
        out.put_u8(0x80 | u8::try_from(number & 0x7f).expect("seven bits"));
        number >>= 7;
    }
    out.put_u8(u8::try_from(number).expect("seven bits"));
}

#[cfg(test)]
mod tests {
    use super::framed;

    #[test]
    fn a_put_is_framed_as_grpc_says() {
        let frame = framed(b"k", &[b'v'; 256]);
        assert_eq!(&frame[..12], [0, 0, 0, 1, 6, 0x0a, 1, b'k', 0x12, 0x80, 0x02, b'v']);
        assert_eq!(frame.len(), 5 + 3 + 3 + 256);
    }
}
