//! How many connections may be open, for each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::client_address::TrustedProxies;

/// Counts the connections of each address. Clones share the counts.
///
/// Limits of users begin when somebody has said who it is. Before that there is only an address, and one that opens all the connections that a
/// gateway takes would keep everybody else out.
#[derive(Clone, Debug)]
pub struct Connections {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
    proxies: TrustedProxies,
}

/// A connection that is open; another may be when this is dropped.
#[derive(Debug)]
pub struct Seat {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

/// The address has as many connections as one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address has as many connections open as one may")]
pub struct Refused;

impl Connections {
    /// Allows each address `most` connections; 0 is without limit. Proxies bring many clients, and are not counted.
    #[must_use]
    pub fn new(most: usize, proxies: TrustedProxies) -> Self {
        Self {
            open: Arc::default(),
            most,
            proxies,
        }
    }

    /// Takes a seat; nothing for whom it is not counted.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn enter(&self, peer: IpAddr) -> Result<Option<Seat>, Refused> {
        if self.most == 0 || self.proxies.may_be_proxy(peer) {
            return Ok(None);
        }
        let address = origin(peer);
        let mut open = lock(&self.open);
        let count = open.entry(address).or_default();
        if *count >= self.most {
            return Err(Refused);
        }
        *count += 1;
        Ok(Some(Seat {
            open: Arc::clone(&self.open),
            address,
        }))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Who counts as one: a client of IPv6 has a whole network of addresses to itself.
fn origin(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            Ipv6Addr::from_bits(network).into()
        }
        address => address,
    }
}

fn lock(open: &Mutex<HashMap<IpAddr, usize>>) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    // Nothing in here panics between two changes that belong together.
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_limited_and_seats_come_back() {
        let connections = Connections::new(2, TrustedProxies::None);
        let first = connections.enter(ip("192.0.2.1")).unwrap();
        let second = connections.enter(ip("::ffff:192.0.2.1")).unwrap();
        assert_eq!(connections.enter(ip("192.0.2.1")).unwrap_err(), Refused);
        assert!(connections.enter(ip("192.0.2.2")).unwrap().is_some());
        drop(first);
        assert!(connections.enter(ip("192.0.2.1")).is_ok());
        drop(second);
        assert!(lock(&connections.open).is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let connections = Connections::new(1, TrustedProxies::None);
        let _seat = connections.enter(ip("2001:db8::1")).unwrap();
        assert!(connections.enter(ip("2001:db8::ffff:2")).is_err());
        assert!(connections.enter(ip("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn proxies_and_no_limit_are_not_counted() {
        let behind = Connections::new(
            1,
            TrustedProxies::Networks(vec!["10.0.0.0/8".parse().unwrap()]),
        );
        let somewhere = Connections::new(1, TrustedProxies::Hops(1));
        let unlimited = Connections::new(0, TrustedProxies::None);
        for connections in [behind, somewhere, unlimited] {
            assert!(connections.enter(ip("10.0.0.1")).unwrap().is_none());
        }
    }
}
