//! What requests and responses say: which host, which fields, and the house's own pages. No I/O.

pub(super) mod headers;
pub(super) mod host;
pub(super) mod page;
