//! The way to a relay, for a test: it loses, doubles and delays datagrams, and cuts people off.
//!
//! What it does with one datagram follows from its dice; who sends it is told from the process that has
//! the socket, since people come by new ports whenever they connect anew.
#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong in a test has to be loud"
)]

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UdpSocket;

use crate::dice::Dice;

/// Longest datagram, in bytes.
const DATAGRAM_LEN_MAX: usize = 65_535;
/// How long to wait before listening again to a relay that is not there.
const ABSENT: Duration = Duration::from_millis(20);

/// What happens to datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// How many of a thousand are lost.
    pub(crate) lost: usize,
    /// How many of a thousand come twice.
    pub(crate) doubled: usize,
    /// Longest delay in milliseconds. What is delayed is overtaken.
    pub(crate) delay: usize,
    /// Who is cut off: one bit for each.
    pub(crate) cut: u64,
}

/// How many datagrams met which fate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) overtaken: u64,
    pub(crate) cut: u64,
}

/// The processes of all people, by their places.
pub(crate) type People = Arc<Mutex<Vec<u32>>>;

/// One way to one relay. Its thread ends with the test's process.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    people: People,
}

struct State {
    weather: Weather,
    counts: Counts,
    dice: Dice,
    /// How many datagrams have come, and the latest of them that has left.
    arrived: u64,
    newest: u64,
}

/// One client's way, there and back.
struct Flow {
    back: UdpSocket,
    client: SocketAddr,
    /// Whose it is, once that is known.
    person: Mutex<Option<usize>>,
}

impl Proxy {
    /// A way to the relay of this URL.
    pub(crate) fn start(url: &str, people: People, seed: u64) -> Self {
        let relay = url.trim_start_matches("relay://");
        let relay: SocketAddr = relay.split('/').next().unwrap().parse().unwrap();
        let front = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        front.set_nonblocking(true).unwrap();
        let address = front.local_addr().unwrap();
        let state = State {
            weather: Weather::default(),
            counts: Counts::default(),
            dice: Dice::from(seed),
            arrived: 0,
            newest: 0,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            people,
        });
        let inside = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                forward(UdpSocket::from_std(front).unwrap(), relay, inside).await;
            });
        });
        Self { address, shared }
    }

    /// The relay's URL by this way.
    pub(crate) fn url(&self, url: &str) -> String {
        let (_, rest) = url.trim_start_matches("relay://").split_once('/').unwrap();
        format!("relay://{}/{rest}", self.address)
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.shared.state.lock().unwrap().weather = weather;
    }

    pub(crate) fn counts(&self) -> Counts {
        self.shared.state.lock().unwrap().counts
    }
}

impl State {
    fn happens(&mut self, in_a_thousand: usize) -> bool {
        in_a_thousand > 0 && self.dice.below(1_000) < in_a_thousand
    }

    /// After how many milliseconds each copy of a datagram arrives.
    fn fate(&mut self, person: Option<usize>) -> Vec<u64> {
        if person.is_some_and(|person| self.weather.cut >> person & 1 == 1) {
            self.counts.cut += 1;
            return Vec::new();
        }
        if self.happens(self.weather.lost) {
            self.counts.lost += 1;
            return Vec::new();
        }
        self.counts.passed += 1;
        let copies = 1 + usize::from(self.happens(self.weather.doubled));
        self.counts.doubled += copies as u64 - 1;
        let delay = self.weather.delay;
        let ways = (0..copies).map(|_| match delay {
            0 => 0,
            most => self.dice.below(most) as u64,
        });
        ways.collect()
    }

    fn leaves(&mut self, number: u64) {
        self.counts.overtaken += u64::from(number < self.newest);
        self.newest = self.newest.max(number);
    }
}

impl Shared {
    /// Sends each copy of a datagram of a flow when its time has come.
    fn pass(self: &Arc<Self>, flow: &Arc<Flow>, front: Option<&Arc<UdpSocket>>, datagram: &[u8]) {
        let person = self.person(flow);
        let (copies, number) = {
            let mut state = self.state.lock().unwrap();
            state.arrived += 1;
            (state.fate(person), state.arrived)
        };
        for delay in copies {
            let (shared, flow, front) = (Arc::clone(self), Arc::clone(flow), front.cloned());
            let datagram = datagram.to_vec();
            tokio::spawn(async move {
                if delay > 0 {
                    tokio::time::sleep(Duration::from_millis(delay)).await;
                }
                shared.state.lock().unwrap().leaves(number);
                // Whoever is gone by now gets nothing.
                let _gone = match front {
                    Some(front) => front.send_to(&datagram, flow.client).await,
                    None => flow.back.send(&datagram).await,
                };
            });
        }
    }

    /// Whose flow that is.
    fn person(&self, flow: &Flow) -> Option<usize> {
        let mut person = flow.person.lock().unwrap();
        if person.is_none() {
            *person = holder(flow.client.port(), &self.people.lock().unwrap());
        }
        *person
    }
}

async fn forward(front: UdpSocket, relay: SocketAddr, shared: Arc<Shared>) {
    let front = Arc::new(front);
    let mut flows: BTreeMap<SocketAddr, Arc<Flow>> = BTreeMap::new();
    let mut buffer = vec![0; DATAGRAM_LEN_MAX];
    loop {
        // An error here is about a client that has gone.
        let Ok((len, client)) = front.recv_from(&mut buffer).await else {
            continue;
        };
        if let std::collections::btree_map::Entry::Vacant(place) = flows.entry(client) {
            let back = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            back.connect(relay).await.unwrap();
            let flow = Arc::new(Flow {
                back,
                client,
                person: Mutex::new(None),
            });
            place.insert(Arc::clone(&flow));
            tokio::spawn(answer(flow, Arc::clone(&front), Arc::clone(&shared)));
        }
        shared.pass(&flows[&client], None, &buffer[..len]);
    }
}

/// What the relay says to one client.
async fn answer(flow: Arc<Flow>, front: Arc<UdpSocket>, shared: Arc<Shared>) {
    let mut buffer = vec![0; DATAGRAM_LEN_MAX];
    loop {
        match flow.back.recv(&mut buffer).await {
            Ok(len) => shared.pass(&flow, Some(&front), &buffer[..len]),
            Err(_) => tokio::time::sleep(ABSENT).await,
        }
    }
}

/// Which of the processes has the UDP socket at a port, as Linux tells it. Nobody elsewhere.
fn holder(port: u16, people: &[u32]) -> Option<usize> {
    let sockets: Vec<String> = ["/proc/net/udp", "/proc/net/udp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    people.iter().position(|process| {
        let open = fs::read_dir(format!("/proc/{process}/fd"));
        let mut open = open.into_iter().flatten().flatten();
        open.any(|file| {
            let target = fs::read_link(file.path()).unwrap_or_default();
            sockets
                .iter()
                .any(|socket| target.as_os_str() == socket.as_str())
        })
    })
}

/// The inodes of the sockets at a local port in a table of the kernel's.
fn inodes(table: &str, port: u16) -> Vec<String> {
    let ends = format!(":{port:04X}");
    let lines = table.lines().skip(1);
    let fields = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let here = fields.filter(|fields| fields.get(1).is_some_and(|local| local.ends_with(&ends)));
    here.filter_map(|fields| fields.get(9).map(|inode| (*inode).to_owned()))
        .collect()
}
