//! Small clients of the systems that the cluster is measured beside: just what the same work needs, so that what is
//! measured is the server.

pub mod etcd;
pub mod nats;
