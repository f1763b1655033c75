//! One window a profile: the first start takes a name on the session's bus, and a later one hands it what it was
//! given and ends.

use std::path::Path;

use zbus::blocking::{Connection, Proxy};
use zbus::fdo::{RequestNameFlags, RequestNameReply};

/// How this start stands among others.
pub(crate) enum Instance {
    /// The only one for this profile, and whoever comes later reaches it here; `None` without a bus.
    First(Option<Claim>),
    /// Another one has the profile and was told.
    Told,
}

/// The name on the bus, for as long as this lives.
pub(crate) struct Claim {
    connection: Connection,
}

const PATH: &str = "/org/sori/Desktop";
const INTERFACE: &str = "org.sori.Desktop1";

/// What another start may ask. Anybody of the same login can call it, so it shows the window and proposes a link,
/// and nothing else.
struct Door<F> {
    asked: F,
}

#[zbus::interface(name = "org.sori.Desktop1")]
impl<F: Fn(&str) + Send + Sync + 'static> Door<F> {
    /// Shows the window; `link` may be empty.
    fn open(&self, link: &str) {
        (self.asked)(link);
    }
}

impl Instance {
    /// Takes the name of `profile`, or tells the one that has it.
    pub(crate) fn claim(profile: &Path, link: Option<&str>) -> Self {
        let Ok(connection) = Connection::session() else {
            return Self::First(None);
        };
        Self::claim_on(connection, &name(profile), link.unwrap_or_default())
    }

    fn claim_on(connection: Connection, name: &str, link: &str) -> Self {
        let flags = RequestNameFlags::DoNotQueue.into();
        match connection.request_name_with_flags(name, flags) {
            Ok(RequestNameReply::PrimaryOwner | RequestNameReply::AlreadyOwner) => {
                Self::First(Some(Claim { connection }))
            }
            // Taken; it may just be ending, and then this one opens, or says that the profile is in use.
            _ => {
                let told = Proxy::new(&connection, name, PATH, INTERFACE)
                    .and_then(|other| other.call::<_, _, ()>("Open", &(link,)));
                match told {
                    Ok(()) => Self::Told,
                    Err(_) => Self::First(None),
                }
            }
        }
    }
}

impl Claim {
    /// From now on `asked` is called with what later starts were given.
    pub(crate) fn serve(&self, asked: impl Fn(&str) + Send + Sync + 'static) {
        // Without this a second start opens a window of its own, and says that the profile is in use.
        let _served = self.connection.object_server().at(PATH, Door { asked });
    }
}

/// The name of a profile on the bus. The path is not to be read from it, and must not be of arbitrary letters.
fn name(profile: &Path) -> String {
    let whole = std::path::absolute(profile).unwrap_or_else(|_| profile.to_owned());
    let whole = whole.canonicalize().unwrap_or(whole);
    let hash = whole
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("org.sori.Desktop.p{hash:016x}")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// A bus of its own, ended with the test.
    pub(crate) struct Bus {
        daemon: Child,
        address: String,
    }

    impl Bus {
        /// `None` where there is no bus daemon, unless all tests have to run.
        pub(crate) fn start() -> Option<Self> {
            let daemon = Command::new("dbus-daemon")
                .args(["--session", "--nofork", "--print-address=1"])
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn();
            let mut daemon = match daemon {
                Ok(daemon) => daemon,
                Err(error) => {
                    assert!(
                        std::env::var_os("SORI_TEST_ALL").is_none(),
                        "no dbus-daemon: {error}"
                    );
                    return None;
                }
            };
            let mut address = String::new();
            let out = daemon.stdout.take().unwrap();
            BufReader::new(out).read_line(&mut address).unwrap();
            let address = address.trim().to_owned();
            Some(Self { daemon, address })
        }

        pub(crate) fn connect(&self) -> Connection {
            let builder = zbus::blocking::connection::Builder::address(self.address.as_str());
            builder.unwrap().build().unwrap()
        }
    }

    impl Drop for Bus {
        fn drop(&mut self) {
            let _ended = self.daemon.kill();
            let _waited = self.daemon.wait();
        }
    }

    #[test]
    fn a_second_start_hands_its_link_to_the_first() {
        let Some(bus) = Bus::start() else { return };
        let Instance::First(Some(claim)) =
            Instance::claim_on(bus.connect(), "org.sori.Desktop.pa", "")
        else {
            panic!("nobody else is there");
        };
        let (sender, asked) = mpsc::channel();
        claim.serve(move |link| sender.send(link.to_owned()).unwrap());
        let second = Instance::claim_on(bus.connect(), "org.sori.Desktop.pa", "sori:invite#x");
        assert!(matches!(second, Instance::Told));
        assert_eq!(
            asked.recv_timeout(Duration::from_secs(20)).unwrap(),
            "sori:invite#x"
        );
        // Another profile has a window of its own, and a name that is free again is taken.
        let other = Instance::claim_on(bus.connect(), "org.sori.Desktop.pb", "");
        assert!(matches!(other, Instance::First(Some(_))));
    }

    #[test]
    fn a_profile_has_one_name_however_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let same = dir.path().join(".").join("x").join("..");
        std::fs::create_dir(dir.path().join("x")).unwrap();
        assert_eq!(name(dir.path()), name(&same));
        assert_ne!(name(dir.path()), name(&dir.path().join("x")));
    }
}
