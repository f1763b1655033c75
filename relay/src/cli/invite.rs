//! `sori-relay invite`.

use std::io::{self, Write};

use sori_wire::RelayUrl;

use super::{Failure, InviteArguments, Options, config, qr};

/// Prints where the relay is, for people.
///
/// # Errors
/// What is missing for a URL that others can use.
pub(crate) fn print(arguments: InviteArguments) -> Result<(), Failure> {
    let file = config::installed(arguments.config);
    let options = config::load(file.as_deref(), arguments.options)?;
    let url = url(&options)?.to_string();
    let mut stdout = io::stdout().lock();
    if !arguments.url_only {
        let code = qr::draw(&url).ok_or(Failure::TooLongForQr)?;
        writeln!(stdout, "{code}").map_err(Failure::Output)?;
    }
    writeln!(stdout, "{url}").map_err(Failure::Output)
}

fn url(options: &Options) -> Result<RelayUrl, Failure> {
    if options.key.is_none() {
        return Err(Failure::Usage(
            "a relay without a key file has another URL at each start; give --key FILE",
        ));
    }
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
    Ok(RelayUrl::new(
        host,
        port,
        config::relay_key(options)?.public(),
    )?)
}
