//! What a client would find wrong with the relay's certificate, before one does.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use sori_wire::RelayHost;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::time::Time;

/// What is wrong with a certificate.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CertificateFault {
    /// It was valid once.
    #[error("it was valid until {0} and is not any more; renew it")]
    Expired(Time),
    /// It is for another name.
    #[error("it is not for `{0}`, which is what `public` says; get one for that name")]
    Name(RelayHost),
    /// It is no certificate.
    #[error("it is not a certificate in PEM form")]
    Unreadable,
    /// It will be valid.
    #[error("it is not valid before {0}; is the clock right?")]
    Yet(Time),
}

/// How long a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) until: Time,
    pub(crate) rest: Rest,
}

/// Whether there is time to renew it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Enough,
    /// Less than two weeks.
    Short,
}

/// Looks at the first certificate of the file, as clients that come at `now` and ask for `public` do.
///
/// # Errors
/// [`CertificateFault`].
pub(crate) fn examine(
    chain: &Path,
    public: Option<&RelayHost>,
    now: SystemTime,
) -> Result<Validity, CertificateFault> {
    let bytes = CertificateDer::from_pem_file(chain).map_err(|_| CertificateFault::Unreadable)?;
    if let Some(host) = public {
        check_name(&bytes, host)?;
    }
    let certificate = Certificate::from_der(&bytes).map_err(|_| CertificateFault::Unreadable)?;
    let validity = certificate.tbs_certificate.validity;
    let until = validity.not_after;
    // A clock before 1970 is before every certificate.
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    if now < validity.not_before.to_unix_duration() {
        return Err(CertificateFault::Yet(validity.not_before));
    }
    let left = until.to_unix_duration().saturating_sub(now);
    if left.is_zero() {
        return Err(CertificateFault::Expired(until));
    }
    let rest = if left < RENEWAL {
        Rest::Short
    } else {
        Rest::Enough
    };
    Ok(Validity { until, rest })
}

fn check_name(certificate: &CertificateDer<'_>, host: &RelayHost) -> Result<(), CertificateFault> {
    let fault = || CertificateFault::Name(host.clone());
    let name = ServerName::try_from(host.to_lookup()).map_err(|_| fault())?;
    let parsed =
        ParsedCertificate::try_from(certificate).map_err(|_| CertificateFault::Unreadable)?;
    verify_server_name(&parsed, &name).map_err(|_| fault())
}

/// Time in which a certificate should have been renewed: 14 days.
const RENEWAL: Duration = Duration::from_secs(14 * 86_400);
