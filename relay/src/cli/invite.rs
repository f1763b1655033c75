//! `sori-relay invite`.

use std::io::{self, Write};

use sori_wire::{RelayHost, RelayIdentity, RelayUrl};
use zeroize::Zeroizing;

use super::{Failure, InviteArguments, Options, config, qr};

/// Prints where the relay is, for people.
///
/// # Errors
/// What is missing for a URL that others can use.
pub(crate) fn print(arguments: InviteArguments) -> Result<(), Failure> {
    let file = config::installed(arguments.config);
    let options = config::load(file.as_deref(), arguments.options)?;
    let identity = identity(&options, arguments.by_certificate)?;
    let (host, port) = place(&options)?;
    let mut url = RelayUrl::new(host, port, identity)?;
    let newest = config::access_keys(&options)?.pop();
    match (newest, arguments.with_access_key) {
        (Some(key), true) => url = url.with_access(key),
        (None, true) => {
            return Err(Failure::Usage(
                "this relay is open, so there is no access key; leave --with-access-key out",
            ));
        }
        (Some(_), false) => {
            let _nobody_to_tell = writeln!(io::stderr(), "sori-relay: {WITHOUT_ACCESS}");
        }
        (None, false) => {}
    }
    let url = Zeroizing::new(url.to_string());
    let mut stdout = io::stdout().lock();
    if !arguments.url_only {
        let code = qr::draw(&url).ok_or(Failure::TooLongForQr)?;
        writeln!(stdout, "{code}").map_err(Failure::Output)?;
    }
    writeln!(stdout, "{}", url.as_str()).map_err(Failure::Output)
}

fn identity(options: &Options, by_certificate: bool) -> Result<RelayIdentity, Failure> {
    if by_certificate {
        let certificate = config::certificate(options)?;
        return certificate
            .map(|_| RelayIdentity::WebPki)
            .ok_or(Failure::Usage(
                "this relay has no certificate; give --certificate and --certificate-key",
            ));
    }
    if options.key.is_none() {
        return Err(Failure::Usage(
            "a relay without a key file has another URL at each start; give --key FILE",
        ));
    }
    Ok(RelayIdentity::Key(config::relay_key(options)?.public()))
}

/// Host and port under which clients reach the relay.
fn place(options: &Options) -> Result<(RelayHost, u16), Failure> {
    let listen = options.listen;
    let public = options.public.as_ref();
    let fixed = listen.filter(|address| !address.ip().is_unspecified());
    let host = public
        .map(|public| public.host.clone())
        .or_else(|| fixed.map(|address| address.ip().into()))
        .ok_or(Failure::Usage(
            "nobody told how clients reach this relay; give --public HOST, or `public` in the \
             configuration file",
        ))?;
    let port = public
        .and_then(|public| public.port)
        .or_else(|| listen.map(|address| address.port()))
        .ok_or(Failure::Usage(
            "nobody told the port; give --public HOST:PORT",
        ))?;
    Ok((host, port))
}

const WITHOUT_ACCESS: &str = "this relay is private, and the URL alone lets nobody in; \
                              --with-access-key prints one that does";
