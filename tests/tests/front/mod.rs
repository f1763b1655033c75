//! What stands before relays of one name: a balancer that passes UDP and TCP on, and passes over a
//! relay that does not answer.
#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong in a test has to be loud"
)]

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// One port for UDP and TCP. Its threads end with the test's process.
pub(crate) struct Front {
    pub(crate) port: u16,
}

impl Front {
    /// Passes on to these, the next client to the next one.
    pub(crate) fn start(relays: Vec<SocketAddr>) -> Self {
        let (udp, tcp) = pair();
        let port = udp.local_addr().unwrap().port();
        let relays = Arc::new(Relays {
            all: relays,
            next: AtomicUsize::new(0),
        });
        let for_tcp = Arc::clone(&relays);
        thread::spawn(move || pass_datagrams(&udp, &relays));
        thread::spawn(move || pass_streams(&tcp, &for_tcp));
        Self { port }
    }
}

struct Relays {
    all: Vec<SocketAddr>,
    next: AtomicUsize,
}

impl Relays {
    fn next(&self) -> SocketAddr {
        self.all[self.next.fetch_add(1, Ordering::Relaxed) % self.all.len()]
    }
}

/// The same free port twice.
fn pair() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
}

/// The way of one client to a relay.
struct Flow {
    socket: UdpSocket,
    /// The relay is not there any more, or nothing passes.
    is_over: AtomicBool,
}

fn pass_datagrams(front: &UdpSocket, relays: &Relays) {
    let mut flows: BTreeMap<SocketAddr, Arc<Flow>> = BTreeMap::new();
    let mut buffer = vec![0; 65_536];
    loop {
        // An error here is about a client that has gone.
        let Ok((len, client)) = front.recv_from(&mut buffer) else {
            continue;
        };
        for _ in 0..=relays.all.len() {
            let flow = flows
                .entry(client)
                .or_insert_with(|| Flow::open(front, client, relays));
            // The system tells with the next datagram that nobody was there for the one before.
            let is_over = flow.is_over.load(Ordering::Relaxed);
            if !is_over && flow.socket.send(&buffer[..len]).is_ok() {
                break;
            }
            flows.remove(&client);
        }
    }
}

impl Flow {
    /// To the next relay, with a thread for what comes back.
    fn open(front: &UdpSocket, client: SocketAddr, relays: &Relays) -> Arc<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(relays.next()).unwrap();
        socket.set_read_timeout(Some(FLOW_IDLE)).unwrap();
        let flow = Arc::new(Self {
            socket,
            is_over: AtomicBool::new(false),
        });
        let (back, front) = (Arc::clone(&flow), front.try_clone().unwrap());
        thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok(len) = back.socket.recv(&mut buffer) {
                let _gone = front.send_to(&buffer[..len], client);
            }
            back.is_over.store(true, Ordering::Relaxed);
        });
        flow
    }
}

fn pass_streams(front: &TcpListener, relays: &Relays) {
    for client in front.incoming() {
        let relay = (0..relays.all.len()).find_map(|_| TcpStream::connect(relays.next()).ok());
        if let (Ok(client), Some(relay)) = (client, relay) {
            pass(&client, &relay);
            pass(&relay, &client);
        }
    }
}

fn pass(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let _over = io::copy(&mut from, &mut to);
        let _gone = to.shutdown(Shutdown::Both);
        let _gone = from.shutdown(Shutdown::Both);
    });
}

/// How long a relay may be silent to one client: clients say something more often.
const FLOW_IDLE: Duration = Duration::from_secs(120);
