//! What a member checks of a peer that it dials, besides the chain and the host name: the
//! reference asks the names of `--peer-cert-allowed-cn` and `-hostname` of both ends of a
//! connection (`baseConfig` in `client/pkg/transport/listener.go`, 3.5.16).

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::PeerCheck;
use super::check::NOT_ALLOWED;

/// Lets in who has a good chain and one of the allowed names.
#[derive(Debug)]
pub(super) struct AllowedPeer {
    pub chain: Arc<WebPkiServerVerifier>,
    pub check: PeerCheck,
}

impl ServerCertVerifier for AllowedPeer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.chain.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        if self.check.allows(end_entity) {
            Ok(verified)
        } else {
            Err(Error::General(NOT_ALLOWED.into()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
