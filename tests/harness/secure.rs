//! Certificates, made as they are needed, and a TLS client that hides nothing.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::PATIENCE;

/// An authority, in a file.
pub struct Authority {
    /// Its certificate.
    pub file: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its private key, in files.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate.
    pub cert: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl Authority {
    /// Makes one in this directory.
    pub fn new(dir: &Path, name: &str) -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let file = dir.join(format!("{name}.ca.pem"));
        std::fs::write(&file, certificate.pem()).unwrap();
        Self { file, issuer: Issuer::new(parameters, key) }
    }

    /// A certificate for `localhost` and 127.0.0.1, and for clients, in files of this name.
    pub fn certify(&self, name: &str) -> Files {
        self.certify_until(name, 2100)
    }

    /// One that expires in this year.
    pub fn certify_until(&self, name: &str, year: i32) -> Files {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        Files::write(self.file.parent().unwrap(), name, &certificate.pem(), &key)
    }
}

impl Files {
    /// A certificate that is its own authority, as `openssl req -x509` makes it.
    pub fn self_signed(dir: &Path, name: &str) -> Self {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        Self::write(dir, name, &certificate.pem(), &key)
    }

    fn write(dir: &Path, name: &str, certificate: &str, key: &KeyPair) -> Self {
        let [cert, key_file] = ["cert", "key"].map(|kind| dir.join(format!("{name}.{kind}.pem")));
        std::fs::write(&cert, certificate).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        Self { cert, key: key_file }
    }

    /// The certificate itself.
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(&self.cert).unwrap()
    }

    /// The arguments that make a daemon serve with it.
    pub fn arguments(&self) -> [&str; 4] {
        ["--tls-cert", path(&self.cert), "--tls-key", path(&self.key)]
    }
}

/// A path as an argument.
pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A TLS connection.
pub struct Secure(StreamOwned<ClientConnection, TcpStream>);

impl Secure {
    /// Shakes hands, trusting this authority, offering these protocols, and showing this certificate.
    pub fn connect(
        address: SocketAddr,
        authority: &Path,
        protocols: &[&str],
        shown: Option<&Files>,
    ) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shown {
            Some(files) => {
                let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
                config.with_client_auth_cert(vec![files.der()], key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        Ok(Self(StreamOwned::new(tls, socket)))
    }

    /// The protocol that was agreed on.
    pub fn protocol(&self) -> Option<String> {
        self.0.conn.alpn_protocol().map(|name| String::from_utf8(name.to_vec()).unwrap())
    }

    /// The server's certificate.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.0.conn.peer_certificates().unwrap()[0].clone().into_owned()
    }

    /// One request in HTTP/1.1, and the status and body of its answer.
    pub fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
        let length = body.len();
        write!(
            self.0,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body)?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok((status, String::from_utf8(body).unwrap()))
    }
}
