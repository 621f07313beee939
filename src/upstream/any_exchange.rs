//! A request in flight, on whatever wire; what becomes of it is told to what let it through.

use crate::{
    jsonrpc::Id,
    mcp::{Answer, UpstreamFault},
};

use super::{
    circuit::Pass, converse::Exchange, errand::Dialect, http_exchange::HttpExchange, mailbox::Item, mux::MuxExchange,
};

/// A request in flight.
pub(super) struct AnyExchange {
    wire: Wire,
    pass: Option<Pass>,
}

enum Wire {
    Mux(MuxExchange),
    Http(Box<HttpExchange>),
}

impl AnyExchange {
    pub(super) const fn mux(exchange: MuxExchange, pass: Option<Pass>) -> Self {
        Self { wire: Wire::Mux(exchange), pass }
    }

    pub(super) fn http(exchange: HttpExchange, pass: Option<Pass>) -> Self {
        Self { wire: Wire::Http(Box::new(exchange)), pass }
    }
}

impl Exchange for AnyExchange {
    async fn next(&mut self) -> Item {
        let item = match &mut self.wire {
            Wire::Mux(exchange) => exchange.next().await,
            Wire::Http(exchange) => exchange.next().await,
        };
        match (&mut self.pass, &item) {
            (Some(pass), Item::Answer(_)) => pass.worked(),
            (Some(pass), Item::Broken(broken)) => pass.failed(broken.fault),
            // A stream may never end, and shows from its first word that its server works.
            (Some(pass), _) => pass.heard(),
            (None, _) => (),
        }
        item
    }

    fn answer(&mut self, id: Id, answer: Answer) {
        match &mut self.wire {
            Wire::Mux(exchange) => exchange.answer(id, answer),
            Wire::Http(exchange) => exchange.answer(id, answer),
        }
    }

    fn dialect(&self) -> Dialect {
        match &self.wire {
            Wire::Mux(exchange) => exchange.dialect(),
            Wire::Http(exchange) => exchange.dialect(),
        }
    }

    fn timed_out(&mut self) {
        if let Some(pass) = &mut self.pass {
            pass.failed(UpstreamFault::Timeout);
        }
    }
}
