//! An answer that is taken piece by piece as it comes, however long it is.

use super::connection::{Connection, broken};
use super::{Client, Error};
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::{Body as _, Bytes, Incoming};
use std::time::Duration;
use tokio::time::timeout;

/// The body of an answer.
#[derive(Debug)]
pub struct Pieces {
    /// What is still to come.
    body: Incoming,
    /// How long it is in all, bytes, if that is known.
    pub total: Option<u64>,
    /// How long a piece may take.
    patience: Duration,
    /// What it comes over.
    _connection: Connection,
}

impl Client {
    /// `GET path`, its body in pieces. The client's timeout is for the first of it, and then for each: as long as some comes, it
    /// goes on.
    ///
    /// # Errors
    /// Why there is no answer, or what the node said.
    pub async fn pieces(&self, path: &str) -> Result<Pieces, Error> {
        let begin = async {
            let mut connection = self.connect().await?;
            let request = self.request(Method::GET, path, None, &[])?;
            let response = connection.sender.send_request(request).await.map_err(broken)?;
            let (status, body) = (response.status().as_u16(), response.into_body());
            if status >= 400 {
                return Err(self.refusal(status, &body.collect().await.map_err(cut_off)?.to_bytes()));
            }
            Ok(Pieces { total: body.size_hint().exact(), body, patience: self.timeout, _connection: connection })
        };
        timeout(self.timeout, begin).await.map_err(|_| Error::TimedOut(self.timeout))?
    }
}

impl Pieces {
    /// The next piece; none behind the last.
    ///
    /// # Errors
    /// [`Error::CutOff`] where it ends before its end, and [`Error::TimedOut`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let frame = timeout(self.patience, self.body.frame()).await.map_err(|_| Error::TimedOut(self.patience))?;
            match frame {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(piece) = frame.map_err(cut_off)?.into_data() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }
}

fn cut_off(error: hyper::Error) -> Error {
    Error::CutOff(error.to_string())
}
