//! The client's side of a cache's doors: TLS to a server that has to prove a name, by a
//! certificate of an authority that the client was given.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, InvalidDnsNameError, ServerName, pem, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client};

use crate::provider::provider;

/// Why nobody can be trusted for what was given.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The authority's certificate is not PEM.
    #[error("read the authority's certificate: it is no PEM file")]
    Unreadable(#[source] pem::Error),
    /// It has nothing in it.
    #[error("the authority's file holds no certificate")]
    Empty,
    /// A certificate in it cannot be an authority's.
    #[error("the authority's certificate cannot be used")]
    Unusable(#[source] rustls::Error),
    /// No server can have this name.
    #[error("`{name}` is neither a DNS name nor an address")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: InvalidDnsNameError,
    },
}

/// Whom a client of caches trusts: one authority and nobody else, the system's included. Clones
/// resume each other's sessions.
#[derive(Clone)]
pub struct Trust {
    anchors: Arc<[CertificateDer<'static>]>,
    config: Arc<ClientConfig>,
}

impl Trust {
    /// Trusts the certificates of a PEM file.
    pub fn from_pem(pem: &str) -> Result<Self, TrustError> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let anchors = read.map_err(TrustError::Unreadable)?;
        let mut roots = RootCertStore::empty();
        for anchor in &anchors {
            roots.add(anchor.clone()).map_err(TrustError::Unusable)?;
        }
        if roots.is_empty() {
            return Err(TrustError::Empty);
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(TrustError::Unusable)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            anchors: anchors.into(),
            config: Arc::new(config),
        })
    }

    /// Trust in a server that proves `name`, which is also what it is asked for (SNI).
    pub fn in_server(&self, name: &str) -> Result<ServerTrust, TrustError> {
        let parsed = ServerName::try_from(name.to_owned());
        let name = parsed.map_err(|source| TrustError::Name {
            name: name.to_owned(),
            source,
        })?;
        Ok(ServerTrust {
            trust: self.clone(),
            name,
        })
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        self.anchors == other.anchors
    }
}

impl Eq for Trust {}

/// Trust in one server.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerTrust {
    trust: Trust,
    name: ServerName<'static>,
}

impl ServerTrust {
    /// The name that the server has to prove.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.to_str().into_owned()
    }

    /// Shakes hands over a connection. How long that may take is the caller's to say.
    ///
    /// # Errors
    ///
    /// The connection's, and `InvalidData` when the server proves another name or none.
    pub async fn connect(&self, tcp: TcpStream) -> io::Result<ClientStream> {
        let connector = TlsConnector::from(Arc::clone(&self.trust.config));
        let stream = connector.connect(self.name.clone(), tcp).await?;
        Ok(ClientStream(Layer::Tls(Box::new(stream))))
    }
}

impl fmt::Debug for ServerTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTrust").field(&self.name()).finish()
    }
}

/// A client's connection to a cache, with TLS or without.
#[derive(Debug)]
pub struct ClientStream(Layer);

#[derive(Debug)]
enum Layer {
    Plain(TcpStream),
    Tls(Box<client::TlsStream<TcpStream>>),
}

impl ClientStream {
    /// A connection that nothing encrypts.
    #[must_use]
    pub fn plain(tcp: TcpStream) -> Self {
        Self(Layer::Plain(tcp))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Layer::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Layer::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Layer::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Layer::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Layer::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Layer::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Layer::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Layer::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}
