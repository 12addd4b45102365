//! What happens below HTTP, and at its edge: a server that answers wrongly and a network that misbehaves, both programs of
//! `tests/peers/faults`. Needs `node`.

mod network;
mod node;
mod odd;
mod odd_answers;
mod tls;
