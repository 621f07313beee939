//! A socket that listens before anything is served, so that its port is known and a bad address or certificate is found at start.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};

use crate::downstream::{
    settings::ListenerSettings,
    tls::{TlsError, TlsFiles},
};

/// Connections that the kernel completes before we accept them; Linux caps it at `net.core.somaxconn`, 4096 by default.
const BACKLOG: u32 = 4096;

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is taken, not ours or not permitted.
    #[error("cannot listen on {0}")]
    Address(SocketAddr, #[source] io::Error),
    /// The certificate cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What connections begin with.
#[derive(Clone, Debug)]
pub(super) enum Tls {
    /// With HTTP at once.
    Plain,
    /// With a certificate from files.
    Files(Arc<TlsFiles>),
    /// With what two gateways prove to each other.
    Gateways(Arc<ServerConfig>),
}

/// A listening socket.
#[derive(Debug)]
pub struct Bound {
    pub(super) listener: TcpListener,
    pub(super) tls: Tls,
    address: SocketAddr,
}

impl Bound {
    /// Listens on the address, and loads the certificate if there is one. Must be called inside a runtime.
    ///
    /// # Errors
    /// Any [`BindError`].
    pub fn bind(settings: &ListenerSettings) -> Result<Self, BindError> {
        let tls = match &settings.tls {
            Some(files) => Tls::Files(TlsFiles::load(files)?),
            None => Tls::Plain,
        };
        Self::with(settings.address, tls)
    }

    /// Listens on the address for other gateways only. Must be called inside a runtime.
    ///
    /// # Errors
    /// [`BindError::Address`].
    pub fn among_gateways(address: SocketAddr, proof: Arc<ServerConfig>) -> Result<Self, BindError> {
        Self::with(address, Tls::Gateways(proof))
    }

    fn with(address: SocketAddr, tls: Tls) -> Result<Self, BindError> {
        let (listener, address) = listen(address).map_err(|error| BindError::Address(address, error))?;
        Ok(Self { listener, tls, address })
    }

    /// Where it listens: the port is the real one even when port 0 was asked for.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate, to be read anew when its files change.
    pub fn tls_files(&self) -> Option<Arc<TlsFiles>> {
        match &self.tls {
            Tls::Files(files) => Some(files.clone()),
            Tls::Plain | Tls::Gateways(_) => None,
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart need not wait for the connections of the last run to leave TIME_WAIT.
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it: peers that vanished without a word are found at last.
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
