use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::{Address, Gate, Pass, Verdict};
use crate::settings::{Limits, Rate};
use crate::time::Time;

fn limits() -> Limits {
    Limits {
        connections_max: 100,
        connections_per_prefix_max: 5,
        handshakes_per_prefix: Rate {
            burst: 8,
            per_second: 2,
        },
        handshakes_unproven: Rate {
            burst: 20,
            per_second: 1,
        },
        ..Limits::default()
    }
}

fn v4(network: u8, host: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, network, host).into()
}

fn arrive(gate: &mut Gate, from: IpAddr, now: Time) -> Result<Pass, Verdict> {
    match gate.handle_arrival(from, Address::Proven, now) {
        Verdict::Admit(pass) => Ok(pass),
        other => Err(other),
    }
}

/// protocol §2.5.5
#[test]
fn prefix_is_forgotten_soon_after_its_last_connection() {
    let mut gate = Gate::new(limits(), Time(0));
    let pass = arrive(&mut gate, v4(1, 1), Time(0)).unwrap();
    gate.handle_timeout(Time(3_600_000));
    assert_eq!(gate.prefix_count(), 1, "it has a connection");
    gate.handle_departure(pass, Time(3_600_000));
    assert_eq!(gate.prefix_count(), 0);

    let pass = arrive(&mut gate, v4(1, 1), Time(3_600_000)).unwrap();
    gate.handle_departure(pass, Time(3_600_001));
    assert_eq!(gate.prefix_count(), 1, "its handshake still counts");
    gate.handle_timeout(Time(3_600_500));
    assert_eq!(gate.prefix_count(), 0);
}

#[test]
fn prefix_has_so_many_connections_and_another_its_own() {
    let mut gate = Gate::new(limits(), Time(0));
    let passes: Vec<Pass> = (0..5)
        .map(|host| arrive(&mut gate, v4(1, host), Time(0)).unwrap())
        .collect();
    assert_eq!(arrive(&mut gate, v4(1, 9), Time(0)), Err(Verdict::Full));
    assert!(arrive(&mut gate, v4(2, 1), Time(0)).is_ok());
    for pass in passes {
        gate.handle_departure(pass, Time(1));
    }
    assert!(arrive(&mut gate, v4(1, 9), Time(1)).is_ok());
}

#[test]
fn prefix_that_comes_too_often_is_passed_over_until_its_time_has_come() {
    let mut gate = Gate::new(limits(), Time(0));
    for _ in 0..8 {
        let pass = arrive(&mut gate, v4(1, 1), Time(0)).unwrap();
        gate.handle_departure(pass, Time(0));
    }
    assert_eq!(
        arrive(&mut gate, v4(1, 2), Time(499)),
        Err(Verdict::PassOver)
    );
    assert!(arrive(&mut gate, v4(1, 2), Time(500)).is_ok());
}

/// A customer with many /56 gets what four of them get.
#[test]
fn wide_prefix_is_bounded_as_well() {
    let mut gate = Gate::new(limits(), Time(0));
    let come = |gate: &mut Gate, subnet: u16| {
        let address = Ipv6Addr::new(0x2001, 0xdb8, 1, subnet << 8, 0, 0, 0, 1);
        arrive(gate, address.into(), Time(0))
    };
    let admitted = (0..30)
        .filter(|subnet| come(&mut gate, *subnet).is_ok())
        .count();
    assert_eq!(admitted, 20);
}

#[test]
fn forged_addresses_use_up_nobodys_share() {
    let mut gate = Gate::new(limits(), Time(0));
    let mut asked_to_prove = 0;
    for n in 0..50 {
        // The victim's prefix, forged again and again.
        match gate.handle_arrival(v4(7, n), Address::Unproven, Time(0)) {
            Verdict::Admit(pass) => gate.handle_departure(pass, Time(0)),
            Verdict::Prove => asked_to_prove += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(asked_to_prove >= 45);
    assert!(arrive(&mut gate, v4(7, 1), Time(0)).is_ok());
    // Forged ones from everywhere: few entries, the rest has to prove itself first.
    let mut gate = Gate::new(limits(), Time(0));
    for n in 0..=255 {
        let _any = gate.handle_arrival(v4(n, 1), Address::Unproven, Time(0));
    }
    assert!(gate.prefix_count() <= 20);
}

proptest! {
    /// Whoever comes and goes: the totals hold, and in the end nothing is left.
    #[test]
    fn any_history_keeps_the_bounds_and_ends_empty(
        steps in proptest::collection::vec((0_u8..4, any::<u8>(), 0_u64..800, any::<bool>()), 1..300)
    ) {
        let mut gate = Gate::new(limits(), Time(0));
        let mut inside: Vec<(u8, Pass)> = Vec::new();
        let mut now = Time(0);
        for (network, host, wait, leaves) in steps {
            now = Time(now.0 + wait);
            if leaves && !inside.is_empty() {
                let (_, pass) = inside.remove(usize::from(host) % inside.len());
                gate.handle_departure(pass, now);
            } else if let Ok(pass) = arrive(&mut gate, v4(network, host), now) {
                inside.push((network, pass));
            }
            for network in 0..4 {
                prop_assert!(inside.iter().filter(|(n, _)| *n == network).count() <= 5);
            }
        }
        for (_, pass) in inside {
            gate.handle_departure(pass, now);
        }
        gate.handle_timeout(Time(now.0 + 10_000));
        prop_assert_eq!(gate.prefix_count(), 0);
    }
}
