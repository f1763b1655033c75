//! From options to what a relay is started with.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use sori_relay::{BusTls, CertificateFiles, ClusterSettings, Limits, RelaySecret, Settings, Tcp};
use sori_wire::AccessKey;

use super::{Access, Audience, Failure, Options, Switch, secrets};

/// The file that packages install.
pub(crate) const INSTALLED: &str = "/etc/sori-relay/relay.toml";

/// The options given on the command line and in the environment, over those of the file.
///
/// # Errors
/// [`Failure::Config`] if the file cannot be used.
pub(crate) fn load(file: Option<&Path>, given: Options) -> Result<Options, Failure> {
    let Some(path) = file else {
        return Ok(given);
    };
    let under = Options::read(path).map_err(|source| Failure::Config {
        path: path.to_owned(),
        source,
    })?;
    Ok(given.over(under))
}

/// The file to read: the one that was named, or the installed one if there is any.
pub(crate) fn installed(named: Option<PathBuf>) -> Option<PathBuf> {
    let installed = || Some(PathBuf::from(INSTALLED)).filter(|path| path.exists());
    named.or_else(installed)
}

/// Everything a server needs. Reads key and access keys.
///
/// # Errors
/// What is missing or cannot be used.
pub(crate) fn settings(options: &Options) -> Result<Settings, Failure> {
    let mut settings = Settings::new(listen(options)?, relay_key(options)?);
    settings.access_keys = access_keys(options)?;
    settings.certificate = certificate(options)?;
    settings.tcp = match options.tcp {
        Some(Switch::Off) => Tcp::Off,
        Some(Switch::On) | None => Tcp::On,
    };
    settings.shards = options.threads.map_or(0, usize::from);
    settings.limits = limits(options);
    settings.cluster = cluster(options)?;
    Ok(settings)
}

pub(crate) fn listen(options: &Options) -> Result<SocketAddr, Failure> {
    options.listen.ok_or(Failure::Usage(
        "nowhere to listen; give --listen [::]:4433, or `listen` in the configuration file",
    ))
}

/// The key of the file, or a new one.
pub(crate) fn relay_key(options: &Options) -> Result<RelaySecret, Failure> {
    let Some(path) = &options.key else {
        return RelaySecret::generate().map_err(Failure::NewKey);
    };
    secrets::relay_key(path)
}

/// The keys of a private relay, in the order of their file; none for an open one.
pub(crate) fn access_keys(options: &Options) -> Result<Vec<AccessKey>, Failure> {
    match (options.access, &options.access_keys) {
        (Some(Access::Open), _) | (None, None) => Ok(Vec::new()),
        (Some(Access::Private) | None, Some(path)) => secrets::access_keys(path),
        (Some(Access::Private), None) => Err(Failure::Usage(
            "a private relay needs access keys; make a file with `sori-relay access-key FILE` \
             and give it as --access-keys FILE",
        )),
    }
}

pub(crate) fn certificate(options: &Options) -> Result<Option<CertificateFiles>, Failure> {
    match (&options.certificate, &options.certificate_key) {
        (None, None) => Ok(None),
        (Some(chain), Some(key)) => {
            secrets::check_mode_of(key)?;
            Ok(Some(CertificateFiles {
                chain: chain.clone(),
                key: key.clone(),
            }))
        }
        (Some(_), None) | (None, Some(_)) => Err(Failure::Usage(
            "certificate and certificate-key belong together; give both or none",
        )),
    }
}

/// The cluster that the relay is part of, with everything read that it needs; `None` if it stands alone.
pub(crate) fn cluster(options: &Options) -> Result<Option<ClusterSettings>, Failure> {
    let given = &options.cluster;
    let files = [
        &given.secret,
        &given.authorities,
        &given.certificate,
        &given.certificate_key,
    ];
    let Some(servers) = given.servers.as_ref().filter(|servers| !servers.is_empty()) else {
        if files.iter().any(|file| file.is_some()) {
            return Err(Failure::Usage(
                "a cluster needs servers; give --cluster-servers nats://HOST:PORT, or leave out the \
                 other options of the cluster",
            ));
        }
        return Ok(None);
    };
    let Some(secret) = &given.secret else {
        return Err(Failure::Usage(
            "a cluster needs a secret; make it once with `sori-relay cluster-secret FILE`, copy it to \
             all relays of the cluster and give it as --cluster-secret FILE",
        ));
    };
    let own = match (&given.certificate, &given.certificate_key) {
        (None, None) => None,
        (Some(chain), Some(key)) => {
            secrets::check_mode_of(key)?;
            Some((chain.clone(), key.clone()))
        }
        (Some(_), None) | (None, Some(_)) => {
            return Err(Failure::Usage(
                "cluster-certificate and cluster-certificate-key belong together; give both or none",
            ));
        }
    };
    let servers = servers.iter().map(|server| server.0.clone()).collect();
    let mut cluster = ClusterSettings::new(servers, secrets::cluster_secret(secret)?);
    cluster.tls = BusTls {
        authorities: given.authorities.clone(),
        own,
    };
    cluster.check().map_err(Failure::ClusterTls)?;
    Ok(Some(cluster))
}

/// The address for metrics, which other machines cannot reach unless that was said.
pub(crate) fn metrics(options: &Options) -> Result<Option<SocketAddr>, Failure> {
    let Some(address) = options.metrics else {
        return Ok(None);
    };
    if !address.ip().is_loopback() && options.metrics_for != Some(Audience::Network) {
        return Err(Failure::Usage(
            "other machines could reach the metrics at this address; give one of this machine, \
             such as 127.0.0.1:9464, or say --metrics-for network",
        ));
    }
    Ok(Some(address))
}

fn limits(options: &Options) -> Limits {
    let default = Limits::default();
    let count = |given: Option<u32>, default| {
        given.map_or(default, |given| {
            usize::try_from(given).unwrap_or(usize::MAX)
        })
    };
    Limits {
        connections_max: count(options.max_connections, default.connections_max),
        connections_per_prefix_max: count(
            options.max_connections_per_network,
            default.connections_per_prefix_max,
        ),
        handshakes_per_prefix: options
            .max_handshakes_per_network
            .map_or(default.handshakes_per_prefix, |given| given.0),
        handshakes_unproven: options
            .max_unproven_handshakes
            .map_or(default.handshakes_unproven, |given| given.0),
        attachments_per_topic_max: count(
            options.max_attachments_per_topic,
            default.attachments_per_topic_max,
        ),
        queued_bytes_max: options
            .max_queued_bytes
            .map_or(default.queued_bytes_max, |given| {
                usize::try_from(given).unwrap_or(usize::MAX)
            }),
        work: options
            .max_work_per_connection
            .map_or(default.work, |given| given.0),
    }
}
